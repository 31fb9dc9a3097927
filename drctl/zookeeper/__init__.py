"""The Coordinator port over ZooKeeper. kazoo is imported only in this folder, and nothing of kazoo leaves it."""
