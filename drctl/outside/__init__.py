"""Servers outside: requests that a hospital's own steps make. Standard library; every wait has a deadline."""
