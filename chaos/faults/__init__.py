"""Disturbances of a lab: each is injected, seen to have taken effect, and healed."""
