"""Layer 3 of the proof: the real controllers in a simulated world, one virtual clock, one seed."""
