"""The proof of drctl: a laboratory of real parts, faults, workloads and oracles."""
