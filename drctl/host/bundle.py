"""Make drctl-host one file: `python -m drctl.host.bundle OUT`. A database host needs Python and nothing else."""

from __future__ import annotations

import py_compile
import sys
import tempfile
import zipfile
from pathlib import Path

SHEBANG = b"#!/usr/bin/python3 -IS\n"
_MAIN = "from drctl.host.__main__ import main\nimport sys\nsys.exit(main(sys.argv[1:]))\n"
_NOT_IN_IT = frozenset({"bundle.py"})
_EPOCH = (1980, 1, 1, 0, 0, 0)


def build(out: Path) -> None:
    """Write the program: sources for any Python from 3.9, and compiled code for the one that builds, which starts faster.

    Python looks for `NAME.pyc` beside `NAME.py` in a zip file, and ignores one that another version of it compiled.
    """
    if out.exists() and not out.is_file():
        # It is put in place by a rename, which would replace a device for good.
        raise ValueError(f"{out} is there and is no file: name a file to write")
    package = Path(__file__).parent
    sources = {"__main__.py": _MAIN, "drctl/__init__.py": '"""drctl, as much of it as a database host needs."""\n'}
    for path in sorted(package.glob("*.py")):
        if path.name not in _NOT_IN_IT:
            sources[f"drctl/host/{path.name}"] = path.read_text(encoding="utf-8")
    temporary = out.with_name(f".{out.name}.new")
    with tempfile.TemporaryDirectory() as folder, temporary.open("wb") as file:
        file.write(SHEBANG)
        with zipfile.ZipFile(file, "w") as archive:
            for name, text in sources.items():
                source = Path(folder) / name
                source.parent.mkdir(parents=True, exist_ok=True)
                source.write_text(text, encoding="utf-8")
                _add(archive, name, text.encode())
                compiled = py_compile.compile(
                    str(source),
                    str(source.with_suffix(".pyc")),
                    dfile=name,
                    doraise=True,
                    invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
                )
                _add(archive, f"{name}c", Path(str(compiled)).read_bytes())
    temporary.chmod(0o755)
    temporary.replace(out)


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    # No compression: it is read at every start. A fixed time: the same sources give the same file.
    archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m drctl.host.bundle OUT")
    try:
        build(Path(sys.argv[1]))
    except (OSError, ValueError) as error:
        sys.exit(f"error: drctl-host cannot be written: {error}")
