"""cluster.yaml becomes a Topology, policies and connection settings; every error says where, and what to write."""

from __future__ import annotations

from drctl.config.configuration import (
    Configuration,
    DatabaseSettings,
    ReplicationSettings,
    SshSettings,
    ZooKeeperSettings,
)
from drctl.config.load import load, parse
from drctl.config.problem import ConfigurationInvalid, Problem
from drctl.config.secret import Secret

__all__ = [
    "Configuration",
    "ConfigurationInvalid",
    "DatabaseSettings",
    "Problem",
    "ReplicationSettings",
    "Secret",
    "SshSettings",
    "ZooKeeperSettings",
    "load",
    "parse",
]
