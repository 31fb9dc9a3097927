"""Drills: what is rehearsed, when, and how it is judged. No input or output."""
