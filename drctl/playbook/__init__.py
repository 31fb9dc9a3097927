"""Playbooks: how their files are read, what their actions promise, and what a run does next."""
