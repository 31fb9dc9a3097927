"""The Host port over SSH: the only place that knows paramiko."""

from __future__ import annotations

from drctl.ssh.host import SshHost

__all__ = ["SshHost"]
