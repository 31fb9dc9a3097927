"""drctl: a disaster-recovery controller for PostgreSQL over several data centers."""
