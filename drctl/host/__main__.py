"""`drctl-host`: see `USAGE`."""

from __future__ import annotations

import sys

USAGE = """\
drctl-host serve --config HOST.json              answer requests on stdin, one JSON object a line (the forced command)
drctl-host may-start MEMBER --config HOST.json   exit 0 when the member may start, 1 when drctl keeps it down
drctl-host install [--apply]                     what an installation would change here, or make the changes (drctl host install)
drctl-host version
"""


def main(argv: list[str]) -> int:
    """Run one subcommand. Exit codes: 0 done, 1 must not start, 2 wrong usage or configuration."""
    if argv in (["version"], ["--version"]):
        from drctl.host.wire import PROTOCOL

        sys.stdout.write(f"drctl-host, protocol {PROTOCOL}\n")
        return 0
    if argv in (["install"], ["install", "--apply"]):
        return _install(apply="--apply" in argv)
    words, config = _split(argv)
    if config is None or not words:
        sys.stderr.write(USAGE)
        return 2
    from drctl.host.faults import HostFault

    try:
        return _run(words, config)
    except HostFault as fault:
        sys.stderr.write(f"drctl-host: {fault.message}\n" + (f"  {fault.remedy}\n" if fault.remedy else ""))
        return 2


def _install(*, apply: bool) -> int:
    """Answer with one JSON object on stdout: the changes, or why there are none."""
    import json
    from pathlib import Path

    from drctl.host import install
    from drctl.host.faults import HostFault

    try:
        wish, program = install.parse_wish(sys.stdin.read()), Path(sys.argv[0])
        changes = install.apply(wish, program) if apply else install.plan(wish, program)
    except HostFault as fault:
        sys.stdout.write(json.dumps({"error": fault.message, "remedy": fault.remedy}) + "\n")
        return 1
    except OSError as error:
        sys.stdout.write(json.dumps({"error": f"{error.filename}: {error.strerror}", "remedy": ""}) + "\n")
        return 1
    sys.stdout.write(json.dumps({"changes": [install.told(change) for change in changes]}) + "\n")
    return 0


def _split(argv: list[str]) -> tuple[list[str], str | None]:
    if "--config" not in argv[:-1]:
        return argv, None
    at = argv.index("--config")
    return argv[:at] + argv[at + 2 :], argv[at + 1]


def _read_whole_program() -> None:
    """Import everything now: an upgrade replaces the file under a program that runs for weeks."""
    from importlib import import_module
    from pkgutil import iter_modules

    from drctl import host

    for module in iter_modules(host.__path__, "drctl.host."):
        if not module.name.endswith((".__main__", ".bundle")):
            import_module(module.name)


def _run(words: list[str], config_path: str) -> int:
    from pathlib import Path

    from drctl.host.config import load

    config = load(Path(config_path))
    if words == ["serve"]:
        _read_whole_program()
        from drctl.host.serve import Server

        Server(config, sys.stdin.fileno(), sys.stdout.fileno()).run()
        return 0
    if len(words) == 2 and words[0] == "may-start":
        from drctl.host.state import may_start

        return 0 if may_start(config.member(words[1]).state_dir) else 1
    if len(words) == 2 and words[0] == "job":
        from drctl.host.rejoin import run_job

        # Whoever started us says when our file is there; if it died before, nothing was promised to anybody.
        return run_job(config.member(words[1])) if sys.stdin.readline() == "go\n" else 2
    sys.stderr.write(USAGE)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
