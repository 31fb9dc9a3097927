"""Frozen nouns: what a deployment is, what was seen of it, and what is being done to it."""
