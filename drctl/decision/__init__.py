"""Pure decisions: what is seen goes in, what to do comes out; no clock, no thread, no input or output."""
