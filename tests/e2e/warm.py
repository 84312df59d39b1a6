"""`lem` without its start: forks of one process that has imported what the commands share.

Each command still runs in a process of its own, with its own folder, environment and streams; only
the imports are shared, which are most of the time of a short command. ``Lem.start``, a terminal
and another user get the installed `lem` itself.
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

_SERVER = """
import importlib, json, os, pkgutil, sys
import llenergymeasure.cli

for module in pkgutil.walk_packages(llenergymeasure.cli.__path__, "llenergymeasure.cli."):
    importlib.import_module(module.name)
import llenergymeasure.orchestration.runner

for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if child == 0:
        os.chdir(asked["folder"])
        os.environ.clear()
        os.environ.update(asked["env"])
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        for number, file in ((1, asked["out"]), (2, asked["err"])):
            os.dup2(os.open(file, flags), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.argv = [asked["command"], *asked["arguments"]]
        sys.exit(llenergymeasure.cli.main())
    _, status, used = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    print(json.dumps([code, used.ru_utime + used.ru_stime]), flush=True)
"""


class WarmLem:
    """The process that is forked; use it as a context."""

    def __init__(self, command: str) -> None:
        self.command = command
        self.cpu_s = 0.0
        """What the last command used: a busy machine hardly lengthens it."""

    def __enter__(self) -> WarmLem:
        self._folder = tempfile.TemporaryDirectory(prefix="warm-lem-")
        self._server = subprocess.Popen(
            [sys.executable, "-c", _SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._server.communicate()
        self._folder.cleanup()

    def run(
        self, arguments: Sequence[str], folder: Path, env: Mapping[str, str], timeout_s: float
    ) -> subprocess.CompletedProcess[str]:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        out, err = (Path(self._folder.name, name) for name in ("out", "err"))
        asked = {
            "command": self.command,
            "arguments": arguments,
            "folder": str(folder),
            "env": dict(env),
            "out": str(out),
            "err": str(err),
        }
        self._server.stdin.write(json.dumps(asked) + "\n")
        self._server.stdin.flush()
        if not select.select([self._server.stdout], [], [], timeout_s)[0]:
            for process in psutil.Process(self._server.pid).children(recursive=True):
                process.kill()
            raise subprocess.TimeoutExpired([self.command, *arguments], timeout_s)
        code, self.cpu_s = json.loads(self._server.stdout.readline())
        said = [file.read_text(encoding="utf-8") for file in (out, err)]
        # What a command left running must not write into the next one's.
        out.unlink()
        err.unlink()
        return subprocess.CompletedProcess([self.command, *arguments], code, *said)
