"""`lem measure -- COMMAND`: the command is untouched, its lifetime is measured."""

from __future__ import annotations

import importlib.util
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from .conftest import TIMEOUT_S, Lem, wait_for

_path = Path(__file__).parents[1] / "native" / "stand_in.py"
_spec = importlib.util.spec_from_file_location("nvml_stand_in_e2e", _path)
assert _spec is not None and _spec.loader is not None
stand_in = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(stand_in)

NONE = ("--backend", "none")


def test_the_exit_code_passes_through(lem: Lem) -> None:
    for code in (0, 1, 3, 255):
        assert lem("measure", *NONE, "--", "sh", "-c", f"exit {code}").returncode == code


def test_what_was_measured_is_never_left_out(lem: Lem) -> None:
    """``--quiet`` leaves the table out only where a file has it."""
    assert "Energy" in lem("measure", "--quiet", *NONE, "--", "true").stderr
    assert lem("measure", "--quiet", *NONE, "-o", "m.json", "--", "true").stderr == ""


def test_a_signal_gives_128_plus_its_number(lem: Lem) -> None:
    assert lem("measure", *NONE, "--", "sh", "-c", "kill -9 $$").returncode == 128 + 9
    assert lem("measure", *NONE, "--", "sh", "-c", "kill -TERM $$").returncode == 128 + 15


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--", "nosuch-command"), 127, "nosuch-command: there is no such command"),
        (("--", "/etc/passwd"), 126, "/etc/passwd cannot be executed"),
        (("--", "/etc"), 126, "/etc cannot be executed"),
        (("--backend", "nope", "--", "true"), 125, "there is no energy backend 'nope'"),
        (("--backend", "replay", "--", "true"), 125, "exactly one of 'path' and 'curve'"),
        (("--backend", "rapl,none", "--", "true"), 125, "'none' stands alone"),
        (("--backend", "rapl,estmate", "--", "true"), 125, "did you mean 'estimate'?"),
        (("--backend", "estimate", "--gpus", "0", "--", "true"), 125, "can be told which GPUs"),
        (("--backend", "none", "--interval-ms", "9", "--", "true"), 125, "can be told an interval"),
        (("--backend", "rapl", "--interval-ms", "0.001", "--", "true"), 125, "must be at least"),
        (("--interval-ms", "0", "--", "true"), 125, "not in the range"),
        (("--country", "DEU", "--backend", "nvml", "--", "true"), 125, "--backend codecarbon"),
        (("--country", "Germany", "--", "true"), 125, "three capital letters"),
        (("--nope", "--", "true"), 125, "--nope"),
        (("--json", "--", "true"), 125, "stdout belongs to the command"),
        (("-o", "-", "--", "true"), 125, "stdout belongs to the command"),
        (("-o", "no/such/folder/x.json", "--", "true"), 125, "cannot be written"),
        ((), 125, "COMMAND"),
    ],
)
def test_our_own_failures_are_told_apart(
    lem: Lem, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = lem("measure", *arguments)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_script_that_is_there_is_not_said_to_be_missing(lem: Lem) -> None:
    (lem.folder / "work.sh").write_bytes(b"#!/bin/sh\r\necho ran\r\n")
    (lem.folder / "work.sh").chmod(0o755)
    done = lem("measure", *NONE, "--", "./work.sh")
    assert (done.returncode, done.stdout) == (126, "")
    assert "./work.sh cannot be executed: its lines end as on Windows (CRLF)" in done.stderr


def test_stdout_is_the_commands_to_the_byte(lem: Lem) -> None:
    code = "import sys; sys.stdout.buffer.write(bytes(range(256)) + sys.stdin.buffer.read())"
    command = [lem.command, "measure", *NONE, "--", sys.executable, "-c", code]
    done = subprocess.run(command, input=b"\x00in\xff", capture_output=True, timeout=TIMEOUT_S)
    assert done.stdout == bytes(range(256)) + b"\x00in\xff"
    assert b"Exit code" in done.stderr


def test_options_after_the_command_are_the_commands(lem: Lem) -> None:
    done = lem("measure", *NONE, "-q", "-o", "m.json", "echo", "-q", "--json", "--version")
    assert done.stdout == "-q --json --version\n"
    assert done.stderr == ""


def test_the_file_says_what_an_aggregate_says(lem: Lem) -> None:
    begin_s = time.monotonic()
    done = lem("measure", "-o", "m.json", "--", "sleep", "1.1")
    passed_s = time.monotonic() - begin_s
    assert done.returncode == 0
    data = json.loads((lem.folder / "m.json").read_text())
    assert set(data) == {"command", "exit_code", "duration_s", "energy", "validity", "load"}
    assert data["command"] == ["sleep", "1.1"]
    assert {"total_j", "partial_j", "estimated_j", "measured_share", "domains"} <= set(
        data["energy"]
    )
    window = data["energy"]["domains"][0]["window"]
    # The window lies around the command, and within our own waiting for both.
    assert 1.1 <= data["duration_s"] <= window["duration_s"] < passed_s
    if data["energy"]["headline"] == "estimated":
        assert data["validity"]["status"] == "degraded"
        told = [line for line in done.stderr.splitlines() if " J" in line]
        assert told
        assert all("estimated" in line for line in told)


def test_a_country_gives_emissions_by_codecarbon(lem: Lem) -> None:
    done = lem("measure", "--country", "DEU", "-o", "m.json", "--", "sleep", "1.1")
    assert done.returncode == 0, done.stderr
    energy = json.loads((lem.folder / "m.json").read_text())["energy"]
    assert energy["emissions_kg_co2"] > 0
    assert {domain["name"] for domain in energy["domains"]} == {"cpu", "ram", "gpu"}
    assert "CodeCarbon" in done.stderr


def test_gpus_and_interval_reach_the_source(lem: Lem, tmp_path: Path) -> None:
    library = stand_in.build(tmp_path)
    env = {"LD_LIBRARY_PATH": str(library), "NVML_STAND_IN": "high=300;high=200"}
    asked = ("--backend", "nvml,estimate", "--gpus", "1", "--interval-ms", "250")
    done = lem("measure", *asked, "-o", "m.json", "--", "sleep", "1.2", **env)
    assert done.returncode == 0, done.stderr
    energy = json.loads((lem.folder / "m.json").read_text())["energy"]
    domains = {domain["name"]: domain for domain in energy["domains"]}
    assert {name: domain["source"] for name, domain in domains.items()} == {
        "gpu:1": "nvml",
        "cpu": "estimate",
        "ram": "estimate",
    }
    seconds = domains["gpu:1"]["window"]["duration_s"]
    assert domains["gpu:1"]["joules"] == pytest.approx(200 * seconds, rel=0.02)
    # A busy machine may lengthen it; the default would give a tenth of a second.
    assert domains["gpu:1"]["evidence"]["longest_gap_s"] > 0.2
    assert (energy["total_j"], energy["headline"]) == (domains["gpu:1"]["joules"], "measured")


def test_a_gpu_that_is_not_there_is_told_before_anything_runs(lem: Lem, tmp_path: Path) -> None:
    library = stand_in.build(tmp_path)
    env = {"LD_LIBRARY_PATH": str(library), "NVML_STAND_IN": "high=300"}
    done = lem("measure", "--gpus", "1", "--", "touch", "ran", **env)
    assert done.returncode == 125
    assert "'1' names no GPU" in done.stderr
    assert "GPUs here: 0 = GPU-000000a0" in done.stderr
    assert not (lem.folder / "ran").exists()


def orphans(marker: str) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline", "status"])
        if marker in (process.info["cmdline"] or [])
        and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_all_and_the_file_is_written(lem: Lem, number: signal.Signals) -> None:
    seconds = f"600.{number.value}"
    process = lem.start(
        "measure", *NONE, "-o", "m.json", "--", "sh", "-c", f"sleep {seconds}; true"
    )
    wait_for(lambda: orphans(seconds))
    process.send_signal(number)
    process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 128 + number
    assert json.loads((lem.folder / "m.json").read_text())["exit_code"] == 128 + number
    wait_for(lambda: not orphans(seconds))


def test_ctrl_c_in_a_terminal(lem: Lem) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(lem.folder)
        os.execv(
            lem.command,
            [lem.command, "measure", *NONE, "-o", "m.json", "--", "sh", "-c", "sleep 600.77; true"],
        )
    try:
        wait_for(lambda: orphans("600.77"))
        time.sleep(0.1)
        os.write(terminal, b"\x03")

        def ended() -> int | None:
            done, status = os.waitpid(pid, os.WNOHANG)
            return os.waitstatus_to_exitcode(status) if done else None

        assert wait_for(ended) == 130
    finally:
        os.close(terminal)
    assert json.loads((lem.folder / "m.json").read_text())["exit_code"] == 130
    wait_for(lambda: not orphans("600.77"))


def test_what_a_shell_made_deaf_to_ctrl_c_is_no_orphan_either(lem: Lem) -> None:
    process = lem.start("measure", *NONE, "--", "sh", "-c", "sleep 600.78 & wait")
    wait_for(lambda: orphans("600.78"))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130
    wait_for(lambda: not orphans("600.78"))


def test_a_file_that_cannot_be_written_costs_nothing_else(lem: Lem) -> None:
    done = lem("measure", *NONE, "-o", "/dev/full", "--", "echo", "out")
    assert (done.returncode, done.stdout) == (125, "out\n")
    assert "cannot write /dev/full" in done.stderr
    assert "Exit code" in done.stderr
    assert Path("/dev/full").is_char_device()


@pytest.mark.parametrize("redirected", ["2>&1 | true", "3>&1 >&-", "2>&-", "<&- >&- 2>&-"])
def test_the_exit_code_survives_whoever_does_not_listen(lem: Lem, redirected: str) -> None:
    script = f"{lem.command} measure --backend none -- sh -c 'exit 3' {redirected}; "
    script += "exit ${PIPESTATUS[0]}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.returncode == 3, done.stderr
    assert "bug" not in done.stderr


def on_a_terminal(script: str, keys: list[tuple[bytes, float]], folder: Path) -> int:
    """The exit code of an interactive shell's script in a terminal of its own."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execvp("bash", ["bash", "--norc", "-i"])
    os.write(terminal, f"{script}\n".encode())
    for key, seconds in keys:
        time.sleep(seconds)
        os.write(terminal, key)

    def ended() -> tuple[int] | None:
        done, status = os.waitpid(pid, os.WNOHANG)
        return (os.waitstatus_to_exitcode(status),) if done else None

    try:
        code: tuple[int] = wait_for(ended)
        return code[0]
    finally:
        os.close(terminal)


def test_ctrl_z_and_fg(lem: Lem) -> None:
    # Stopped for longer than one wait for a signal takes.
    command = f"{lem.command} measure {' '.join(NONE)} -- sh -c 'touch on; sleep 3; exit 4'"
    keys = [(b"\x1a", 2.0), (b"fg\n", 1.0), (b"exit $?\n", 3.0)]
    assert on_a_terminal(f"echo in | {command}", keys, lem.folder) == 4
    assert (lem.folder / "on").exists()


def test_the_terminal_can_be_read_though_stdin_is_a_pipe(lem: Lem) -> None:
    command = f"{lem.command} measure {' '.join(NONE)} -- sh -c 'read x </dev/tty; exit $x'"
    assert on_a_terminal(f"echo in | {command}; exit $?", [(b"5\n", 2.0)], lem.folder) == 5
