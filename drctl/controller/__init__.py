"""The imperative shell: observe, decide, act; and the one place with threads."""
