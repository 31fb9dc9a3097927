"""Secrets by reference: the file names where they are, never what they are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from drctl.model.errors import InvalidInput


class SecretSource(StrEnum):
    """Where a secret is kept."""

    FILE = "file"
    ENV = "env"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A reference, as it stands in the file: `file:/etc/drctl/password` or `env:DRCTL_PASSWORD`."""

    source: SecretSource
    name: str

    def __str__(self) -> str:
        return f"{self.source}:{self.name}"

    def read(self) -> str:
        """The secret itself. Raises InvalidInput when it is not where the reference says."""
        if self.source is SecretSource.ENV:
            value = os.environ.get(self.name, "")
            if not value:
                raise InvalidInput(
                    f"the environment variable {self.name}, which the configuration names for a secret, is not set",
                    remedy=f"set it for this process: export {self.name}=...",
                )
            return value
        try:
            value = Path(self.name).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput(
                f"the secret in {self.name} cannot be read: {error}",
                remedy=f"check it, as the user that runs drctl: ls -l {self.name}",
            ) from error
        if not value:
            raise InvalidInput(f"the secret file {self.name} is empty", remedy=f"write the secret into {self.name}")
        return value


def parse_secret(text: str) -> Secret:
    """`file:/path` or `env:NAME`. Raises ValueError, without the text: it may be the secret itself."""
    source, colon, name = text.partition(":")
    if colon and source == SecretSource.FILE and name.startswith("/"):
        return Secret(source=SecretSource.FILE, name=name)
    if colon and source == SecretSource.ENV and name.isidentifier():
        return Secret(source=SecretSource.ENV, name=name)
    raise ValueError("is no reference to a secret")
