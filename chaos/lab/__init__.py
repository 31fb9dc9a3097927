"""Three centers on one machine: real PostgreSQL, ZooKeeper, sshd and drctl in network namespaces."""
