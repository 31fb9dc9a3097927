"""How long an outage is, as clients see it: each fault several times with a random phase, the distribution printed."""
