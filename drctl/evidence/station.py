"""A controller's part in the audit chain, in one piece: its directory, its spool, its thread."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from drctl.evidence.chain_files import ChainFiles
from drctl.evidence.scribe import Scribe
from drctl.evidence.spool import Spool
from drctl.model.errors import DrctlError
from drctl.model.event import Alarm, ConfigurationChanged, Event, Severity
from drctl.model.identity import CenterName
from drctl.ports import ChainStore, Clock

FALLBACK = Path("/var/lib/drctl/audit")
CONFIGURATION_FILE = "configuration.json"
CENTER_FILE = "center"
"""Says whose copy a directory holds."""
CHANGES_MAX = 40
SECRETIVE = ("password", "secret", "token")
"""Keys whose values are references, and are not shown even so."""


def audit_directory(chosen: Path | None) -> Path:
    """Where this center's copy is: what the configuration says, else what the service manager gives, else the usual."""
    if chosen is not None:
        return chosen
    given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(given) / "audit" if given else FALLBACK


def scribe(
    directory: Path,
    *,
    center: CenterName,
    incarnation: str,
    store: ChainStore,
    connected: Callable[[], bool],
    clock: Clock,
    tell: Callable[[Event], None],
) -> Scribe:
    """The thread that writes the chain. A disk that does not let it is an alarm, never a controller that does not start."""
    files: ChainFiles | None = None
    trouble: Alarm | None = None
    try:
        files = ChainFiles(directory)
        (directory / CENTER_FILE).write_text(f"{center}\n", encoding="utf-8")
    except (OSError, DrctlError) as error:
        trouble = Alarm(
            group=None,
            severity=Severity.ALARM,
            code="audit_chain",
            message=f"this center keeps no copy of the audit chain: {error}",
            remedy=f"ls -ld {directory}; it must be writable by the user that runs the controller, and its alone",
        )
    made = Scribe(
        center=center,
        incarnation=incarnation,
        store=store,
        connected=connected,
        files=files,
        spool=Spool(None if files is None else directory),
        clock=clock,
        tell=tell,
    )
    if trouble is not None:
        tell(trouble)
        made.emit(trouble)
    return made


def configuration_change(
    directory: Path, effective: Mapping[str, str], *, center: CenterName, digest: str
) -> ConfigurationChanged | None:
    """What is different from the last time that a controller began here; None when nothing is. Remembers it."""
    file = directory / CONFIGURATION_FILE
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        before_digest, before = str(told["digest"]), {str(key): str(value) for key, value in told["effective"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        before_digest, before = "", {}
    if before_digest == digest:
        return None
    changes = [
        f"{key}: {_shown(key, before.get(key))} -> {_shown(key, effective.get(key))}"
        for key in sorted({*before, *effective})
        if before.get(key) != effective.get(key)
    ]
    try:
        fresh = file.with_suffix(".new")
        fresh.write_text(
            json.dumps({"digest": digest, "effective": dict(effective)}, ensure_ascii=False, indent=1),
            encoding="utf-8",
        )
        fresh.replace(file)
    except OSError:
        pass  # told again at the next start, which is better than not at all
    return ConfigurationChanged(
        center=center,
        digest_before=before_digest,
        digest=digest,
        changes=tuple(changes[:CHANGES_MAX]) if before else (),
    )


def _shown(key: str, value: str | None) -> str:
    if value is None:
        return "nothing"
    return "a reference" if any(word in key for word in SECRETIVE) else value
