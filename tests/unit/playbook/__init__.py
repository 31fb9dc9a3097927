"""Playbooks: what a run does next, which files are safe, what is said of those that are not."""
