"""The process that makes a GPU work, by matrix products in torch; and the one that intrudes.

python driver.py DEVICE TORCH_DEVICE            obeys lines of JSON on stdin, ends with it
python driver.py --intrude DEVICE TORCH_DEVICE AFTER_S FOR_S
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

ANSWER_S = 180.0
PRODUCT_S = 0.5e-3
LARGEST = 16384
LOADED_BYTES = 8 << 30


class Driver:
    """The process, as seen by who asks it.

    Args:
        device: The one GPU that it may see (UUID).
        torch_device: ``cuda`` or ``cpu``.
    """

    def __init__(self, device: str, torch_device: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, device, torch_device],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answers: queue.Queue[str] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def say(self, **command: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    def ask(self, **command: object) -> dict[str, Any]:
        """Say something and wait for the answer."""
        self.say(**command)
        line = self._answers.get(timeout=ANSWER_S)
        if not line:
            raise RuntimeError("the process that loads the GPU has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=20)
        self._listener.join(timeout=20)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._answers.put(line)
        self._answers.put("")


@contextlib.contextmanager
def intruder(device: str, torch_device: str, after_s: float, for_s: float) -> Iterator[int]:
    """A process that is nobody's child: joins ``after_s`` from now and computes for ``for_s``."""
    arguments = [device, torch_device, str(after_s), str(for_s)]
    between = subprocess.Popen(
        [sys.executable, __file__, "--between", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert between.stdin is not None and between.stdout is not None
    pid = int(between.stdout.readline())
    between.wait(timeout=ANSWER_S)
    # Waits until torch is imported there, which needs no GPU yet.
    assert between.stdout.readline().strip() == "ready", "the intruder did not start"
    between.stdin.write("go\n")
    between.stdin.flush()
    try:
        yield pid
    finally:
        between.stdin.close()
        # Its end closes its stdout; an alarm of its own sees to that.
        between.stdout.read()
        between.stdout.close()


def main() -> None:
    first, *rest = sys.argv[1:]
    if first == "--between":
        grandchild = subprocess.Popen(
            [sys.executable, __file__, "--intrude", *rest], start_new_session=True
        )
        print(grandchild.pid, flush=True)
        os._exit(0)  # an orphan belongs to init
    if first == "--intrude":
        device, torch_device, after_s, for_s = rest
        intrude(device, torch_device, float(after_s), float(for_s))
        return
    obey(first, *rest)


def intrude(device: str, torch_device: str, after_s: float, for_s: float) -> None:
    signal.alarm(int(after_s + for_s + ANSWER_S))
    os.environ["CUDA_VISIBLE_DEVICES"] = device
    import torch  # noqa: F401 - slow, so before the word is given

    print("ready", flush=True)
    sys.stdin.readline()
    time.sleep(after_s)
    worker = Worker(torch_device)
    until_s = time.monotonic() + for_s
    while time.monotonic() < until_s:
        worker.products(1)


def obey(device: str, torch_device: str) -> None:
    os.environ["CUDA_VISIBLE_DEVICES"] = device
    commands: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(commands,), daemon=True).start()
    worker: Worker | None = None
    while line := commands.get():
        command = json.loads(line)
        worker = worker or Worker(torch_device)
        answer = _done(worker, command, commands)
        print(json.dumps(answer), flush=True)


def _listen(commands: queue.Queue[str]) -> None:
    for line in sys.stdin:
        commands.put(line)
    commands.put("")


def _done(worker: Worker, command: dict[str, Any], commands: queue.Queue[str]) -> dict[str, Any]:
    match command.pop("do"):
        case "loaded":
            return {"bytes": worker.fill_memory()}
        case "fit":
            return {"products": worker.fitted(command["seconds"])}
        case "work":
            begin_s = time.monotonic()
            worker.products(command["products"])
            return {"begin_s": begin_s, "end_s": time.monotonic()}
        case "pulses":
            share = worker.pulses(**command, stopped=lambda: not commands.empty())
            if not commands.get():
                commands.put("")  # nobody is there any more: that ends the next turn
            return {"busy_share": share}
        case _:
            return {}


class Worker:
    """Matrix products of a size that takes about half a millisecond.

    Args:
        torch_device: ``cuda`` or ``cpu``.
    """

    def __init__(self, torch_device: str) -> None:
        import torch

        self._torch = torch
        self._device = torch.device(torch_device)
        self._cuda = torch_device == "cuda"
        self._kept: Any = None
        half = self._cuda and torch.cuda.get_device_capability() >= (7, 0)
        self._dtype = torch.float16 if half else torch.float32
        self._size = 1024 if self._cuda else 64
        self._make()
        while self._product_s() < PRODUCT_S and self._size < LARGEST:
            self._size *= 2
            self._make()

    def products(self, count: int) -> None:
        """Do so many products, and return when they are done."""
        for number in range(1, count + 1):
            self._torch.mm(self._a, self._b, out=self._c)
            # A queue that is never emptied would hold the process back at its own whim.
            if number % 8 == 0 or number == count:
                self._wait()

    def pulses(self, period_s: float, on_s: float, anchor_s: float, stopped: Any) -> float:
        """Work for ``on_s`` of every period until ``stopped()``; the share of time at work."""
        begin_s = time.monotonic()
        busy_s = 0.0
        at_s = anchor_s + period_s * (int((begin_s - anchor_s) / period_s) + 1)
        while not stopped():
            sleep_until(at_s)
            from_s = time.monotonic()
            while time.monotonic() - from_s < on_s:
                self.products(1)
            busy_s += time.monotonic() - from_s
            at_s += period_s
        return busy_s / (time.monotonic() - begin_s)

    def fitted(self, seconds: float) -> int:
        """How many products take so long, once the device is warm."""
        self.products(max(1, int(1.0 / self._product_s())))
        count = max(1, int(0.5 / self._product_s()))
        begin_s = time.monotonic()
        self.products(count)
        return max(1, round(count * seconds / (time.monotonic() - begin_s)))

    def fill_memory(self) -> int:
        """Take memory as a model's weights would; returns bytes."""
        if not self._cuda:
            return 0
        free, _ = self._torch.cuda.mem_get_info()
        size = min(LOADED_BYTES, free // 2)
        self._kept = self._torch.ones(size, dtype=self._torch.uint8, device=self._device)
        self._wait()
        return int(size)

    def _make(self) -> None:
        shape = (self._size, self._size)
        self._a, self._b, self._c = (
            self._torch.rand(shape, device=self._device).to(self._dtype) for _ in range(3)
        )

    def _product_s(self) -> float:
        self.products(3)
        begin_s = time.monotonic()
        self.products(5)
        return (time.monotonic() - begin_s) / 5

    def _wait(self) -> None:
        if self._cuda:
            self._torch.cuda.synchronize()


def sleep_until(at_s: float) -> None:
    """Return at that time of CLOCK_MONOTONIC, in s, or at once if it is past."""
    while (left_s := at_s - time.monotonic()) > 0:
        # The last millisecond is waited for awake: sleeping is no more exact than that.
        time.sleep(left_s - 1e-3 if left_s > 2e-3 else 0)


if __name__ == "__main__":
    main()
