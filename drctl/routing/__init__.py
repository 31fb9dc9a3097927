"""The way of clients to the primary: configurations for HAProxy, PgBouncer and libpq, written from cluster.yaml alone."""
