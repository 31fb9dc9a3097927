"""The protocol as a Promela model, checked by Spin: what holds, and which rule is missed when it is taken out."""
