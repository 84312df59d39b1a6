"""pip install, telling what it does: each package as it comes, and what takes long while it does.

    python scripts/install.py -c constraints.txt -e .

The arguments are those of `pip install`; it runs with the same Python. Needs nothing but Python.
"""

from __future__ import annotations

import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator

# Without a line from pip for so long, it is said what it is still at.
STILL_EVERY_S = 10.0
# Of all that pip says, what tells where it stands; errors come on stderr, which is not touched.
_TOLD = ("Downloading", "Using cached", "Building", "Preparing", "Installing")
_WHEEL_TAGS = re.compile(r"-(py|cp)\d\S*\.whl")
_STEPS = {"Installing collected packages": "Installing the packages"}


def main(arguments: list[str]) -> int:
    """Install; returns pip's exit code."""
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    # A bar that is redrawn would be lost between our lines.
    command += ["--progress-bar", "off", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace") as process:
        assert process.stdout is not None, "it was asked for"
        try:
            for line in follow(read_lines(process.stdout)):
                print(line, flush=True)
            return process.wait()
        except BaseException:
            process.terminate()
            raise


def read_lines(stream: Iterable[str]) -> queue.Queue[str | None]:
    """A queue of the stream's lines, None at its end."""
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        for line in stream:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return lines


def follow(lines: queue.Queue[str | None]) -> Iterator[str]:
    """What to tell of the lines, with the time that has passed; ends with the lines."""
    begin = told = time.monotonic()
    doing = "Looking for what is needed"
    yield f"[  0 s] {doing}"
    while True:
        try:
            line = lines.get(timeout=max(0.0, told + STILL_EVERY_S - time.monotonic()))
        except queue.Empty:
            told = time.monotonic()
            yield f"[{told - begin:3.0f} s] still at: {doing}"
            continue
        if line is None:
            yield f"[{time.monotonic() - begin:3.0f} s] pip has ended"
            return
        text = line.strip()
        if text.startswith(_TOLD):
            told = time.monotonic()
            doing = _STEPS.get(text.partition(":")[0], _WHEEL_TAGS.sub("", text))
            yield f"[{told - begin:3.0f} s] {doing}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
