"""A command ends with its own exit code, whatever native libraries it had loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import atexit, sys, threading, time
from llenergymeasure.cli.leaving import end_process

{loaded}
class Native:
    def __del__(self):
        import os
        os.abort()


keep = sys.modules["native_keep"] = Native()
slow = threading.Thread(target=lambda: (time.sleep(0.3), print("thread")))
slow.start()
atexit.register(lambda: print("handler"))
print("answer")
end_process({code})
keep = sys.modules["native_keep"] = None
"""
LOADED = "sys.modules['pyarrow'] = sys"


def end(loaded: str, code: int) -> subprocess.CompletedProcess[str]:
    script = SCRIPT.replace("{loaded}", loaded).replace("{code}", str(code))
    return subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("code", [0, 1, 2, 130])
def test_nothing_native_is_taken_apart_and_nothing_is_left_undone(code: int) -> None:
    done = end(LOADED, code)
    assert (done.returncode, done.stdout) == (code, "answer\nthread\nhandler\n"), done.stderr


def test_without_a_native_library_python_ends_as_ever() -> None:
    assert end("", 0).returncode == -6


def test_under_a_profiler_python_ends_as_ever() -> None:
    assert end(LOADED + "; sys.setprofile(lambda *a: None)", 0).returncode == -6
