"""The lab's init: the parent of every daemon, so that the dead are buried at once, as on a real host.

A killed postmaster that nobody waits for stays a zombie, and PostgreSQL takes its number in postmaster.pid for a living
server and refuses to start. The init of a container may look after its children late, or never. This one also adopts
what drctl-host starts. It runs as a program of its own, on the system's Python and nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PR_SET_CHILD_SUBREAPER = 36
REQUEST_BYTES_MAX = 1 << 20
ANSWER_DEADLINE_S = 10.0
START_DEADLINE_S = 10.0


def launch(address: Path, *, log: Path, prefix: Sequence[str], env: Mapping[str, str]) -> None:
    """Start the init; return when it takes requests. `prefix` is what to run it through."""
    with log.open("a") as stream:
        program = subprocess.Popen(
            [*prefix, "/usr/bin/python3", "-I", "-S", __file__, str(address)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stream,
            env=env,
        )
    # The program outlives its parent, which only forks it. It says that it listens, and closes the pipe.
    said, _ = program.communicate(timeout=START_DEADLINE_S)
    if said != b"ready\n":
        raise OSError(f"the lab's init did not start; see {log}")


def spawn(address: Path, argv: Sequence[str], *, group: Path, log: Path, cwd: Path, env: Mapping[str, str]) -> int:
    """Start a daemon, in the control group whose cgroup.procs is `group`; its number.

    Raises OSError when the init is gone or cannot fork.
    """
    request = {"argv": list(argv), "group": str(group), "log": str(log), "cwd": str(cwd), "env": dict(env)}
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(ANSWER_DEADLINE_S)
        link.connect(str(address))
        link.sendall(json.dumps(request).encode() + b"\n")
        with link.makefile("rb") as answers:
            answer = answers.readline(REQUEST_BYTES_MAX)
    if not answer:
        raise OSError("the lab's init ended while it was asked to start a program")
    return int(json.loads(answer)["pid"])


def serve(address: str) -> None:
    """Take requests until killed."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
    signal.signal(signal.SIGCHLD, _bury)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(address)
        listener.listen(16)
        os.write(1, b"ready\n")
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, 1)
        while True:
            link, _ = listener.accept()
            with link, contextlib.suppress(OSError):
                _answer(link)


def _answer(link: socket.socket) -> None:
    link.settimeout(ANSWER_DEADLINE_S)
    with link.makefile("rb") as requests:
        request = json.loads(requests.readline(REQUEST_BYTES_MAX))
    child = os.fork()
    if child == 0:
        _become(request["argv"], log=request["log"], cwd=request["cwd"], env=request["env"])
    # The child joins by itself too; done here as well, so that who asks next finds it there. It may have ended.
    with contextlib.suppress(OSError):
        Path(request["group"]).write_text(str(child))
    link.sendall(json.dumps({"pid": child}).encode() + b"\n")


def _become(argv: list[str], *, log: str, cwd: str, env: dict[str, str]) -> None:
    """Become the daemon: a session of its own, its output in its log."""
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.closerange(3, 256)
        os.chdir(cwd)
        os.execvpe(argv[0], argv, env)  # noqa: S606 -- the fork takes the program's place
    except OSError as error:
        os.write(2, f"the lab's init cannot start {argv[0]}: {error}\n".encode())
    finally:
        os._exit(127)


def _bury(_number: int, _frame: object) -> None:
    """Wait for every child that has ended, adopted ones too."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0] != 0:
            pass


if __name__ == "__main__":
    serve(sys.argv[1])
