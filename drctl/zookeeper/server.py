"""One question to one server, outside of any session."""

from __future__ import annotations

import ipaddress
import socket

TIMEOUT_S = 0.1
"""For the own center's server to say how it is: it is near."""


def is_number(host: str) -> bool:
    """Whether a host is given by its address, so that no name server is asked."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def serves(address: tuple[str, int]) -> bool:
    """Whether a server says that it takes part in an ensemble with a leader."""
    try:
        with socket.create_connection(address, timeout=TIMEOUT_S) as link:
            link.sendall(b"srvr")
            return b"Mode: " in link.recv(4096)
    except OSError:
        return False
