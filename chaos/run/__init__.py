"""Scenarios: what goes wrong, when, and what must hold all the same; played on a lab and judged."""
