"""Ids, names and files made to lead elsewhere, or to command the terminal."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .conftest import TIMEOUT_S, Lem
from .test_bad_input import spread_out, tree

CONFIG: dict[str, Any] = {
    "config_name": "quick",
    "model_name": "scripted",
    "backend": "echo",
    "num_prompts": 2,
    "max_output_tokens": 2,
    "warmup": {"prompts": 0},
    "energy": {"backend": "none"},
}
ANSI = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202e"
COMMANDS = {chr(code) for code in (*range(32), *range(127, 160), 0x202E)} - {"\n"}
SHOWN = "\\x1b[2J\\x1b]0;owned\\x07\\x9b31m\\u202e"

IDS = [
    "../../etc/passwd",
    "/etc/passwd",
    "a/../b",
    "..",
    "",
    "*",
    "x" * 5000,
    f"a{ANSI}b",
    "a\nError: all is fine",
    "\u0660\u0661",
    "../secret",
]


def commands_nothing(text: str) -> bool:
    """Whether text holds no control character but the end of a line."""
    return not set(text) & COMMANDS


def on_a_terminal(lem: Lem, *arguments: str) -> str:
    """What a terminal gets to see, colours off."""
    master, slave = pty.openpty()
    env = {**os.environ, "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "200"}
    try:
        with subprocess.Popen(
            [lem.command, *arguments],
            cwd=lem.folder,
            env=env,
            stdin=slave,
            stdout=slave,
            stderr=slave,
        ) as process:
            os.close(slave)
            said = b""
            while True:
                try:
                    chunk = os.read(master, 65536)
                except OSError:
                    break
                if not chunk:
                    break
                said += chunk
            process.wait(timeout=TIMEOUT_S)
    finally:
        os.close(master)
    return said.decode().replace("\r\n", "\n")


@pytest.fixture
def measured(lem: Lem) -> str:
    """The id of a finished experiment, with a file outside that looks like one."""
    done = lem.json("experiment", lem.write(CONFIG))
    (aggregate,) = lem.folder.glob("results/aggregated/*.json")
    (lem.folder / "secret.json").write_bytes(aggregate.read_bytes())
    return str(done["experiment_id"])


@pytest.mark.parametrize(
    "command",
    [
        ("results", "show"),
        ("aggregate",),
        ("experiment", "--resume"),
        ("results", "export", "-o", "out.csv"),
    ],
    ids=lambda command: command[-1],
)
def test_an_id_that_is_none_is_refused_and_shown_harmless(
    lem: Lem, measured: str, command: tuple[str, ...]
) -> None:
    before = tree(lem.folder)
    for text in IDS:
        done = lem(*command, "--", text) if command[-1] != "--resume" else lem(*command, text)
        assert done.returncode == 2, (text, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        assert commands_nothing(done.stderr), ascii(done.stderr)
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) <= 3
    assert tree(lem.folder) == before


@pytest.mark.parametrize("where", ["config_name", "model_name"])
def test_names_lead_nowhere_and_are_shown_escaped(lem: Lem, where: str) -> None:
    name = f"../../{ANSI}/a\nVerdict  valid"
    config = lem.write({**CONFIG, where: name})
    before = set(tree(lem.folder.parent))
    for arguments in (
        ("config", "validate", config),
        ("config", "show", config),
        ("config", "list", "-d", "."),
        ("experiment", config, "--dry-run"),
        ("experiment", config),
        ("results", "list"),
        ("results", "list", "--all"),
        ("results", "show", "latest"),
        ("results", "export", "--format", "csv"),
    ):
        said = on_a_terminal(lem, *arguments)
        assert "Traceback" not in said
        assert commands_nothing(said), (arguments, ascii(said))
        # A table for other tools keeps the lines of its cells.
        assert "\nVerdict  valid" not in said or arguments[1] == "export"
    inside = {f"{lem.folder.name}/results", f"{lem.folder.name}/.state"}
    made = set(tree(lem.folder.parent)) - before
    assert made
    assert all(any(path.startswith(folder) for folder in inside) for path in made), made
    file = next(lem.folder.glob("results/aggregated/*.json"))
    assert json.loads(file.read_text())["config"][where] == name


@pytest.mark.parametrize(
    ("results_dir", "code"),
    [
        ("\0", 2),
        ("~nobody-of-that-name/x", 2),
        ("x" * 5000, 2),
        ("a\n/" + ANSI, 0),
        ("config.json/x", 2),
        ("-", 0),
        ("../" + "sideways", 0),
    ],
)
def test_odd_results_folders(lem: Lem, results_dir: str, code: int) -> None:
    (lem.folder / "inner").mkdir()
    inner = Lem(lem.folder / "inner", lem.command, lem.warm)
    config = inner.write({**CONFIG, "io": {"results_dir": results_dir}})
    done = inner("experiment", config)
    assert done.returncode == code, done.stderr
    assert "bug in lem" not in done.stderr
    assert commands_nothing(done.stdout + done.stderr)
    if code == 0:
        # A user may choose any folder: it is taken as it is written.
        assert list((inner.folder / results_dir).glob("aggregated/*.json"))
    else:
        assert [path.name for path in inner.folder.iterdir()] == [config]


@pytest.mark.parametrize(
    "path",
    [
        "\0",
        ANSI,
        "~nobody-of-that-name/x",
        "x" * 5000,
        "/dev/zero",
        "/proc/self/mem",
        "pipe",
        "loop",
    ],
)
@pytest.mark.parametrize("kind", ["file", "huggingface"])
def test_odd_sources_of_prompts(lem: Lem, path: str, kind: str) -> None:
    os.mkfifo(lem.folder / "pipe")
    (lem.folder / "loop").symlink_to("loop")
    key = "path" if kind == "file" else "dataset"
    config = lem.write({**CONFIG, "prompts": {"type": kind, key: path}})
    before = set(os.listdir(lem.folder))
    done = lem("experiment", config)
    # 1: a name that could be an id on the hub, which is switched off here.
    assert done.returncode in ((2,) if kind == "file" else (1, 2)), done.stderr
    assert "bug in lem" not in done.stderr
    assert "Traceback" not in done.stderr
    assert commands_nothing(done.stderr), ascii(done.stderr)
    assert set(os.listdir(lem.folder)) == before


@pytest.mark.parametrize("name", [f"{ANSI}.json", "a\nb.json", "-x.json"])
@pytest.mark.parametrize("valid", [True, False])
def test_config_files_with_odd_names(lem: Lem, name: str, valid: bool) -> None:
    lem.write(CONFIG if valid else {**CONFIG, f"key{ANSI}": 1}, name)
    for command in (("config", "validate"), ("config", "show"), ("experiment",)):
        done = lem(*command, "--", name)
        assert done.returncode == (0 if valid else 2), done.stderr
        assert commands_nothing(done.stdout + done.stderr), ascii(done.stdout + done.stderr)
        if not valid:
            assert f"key{SHOWN}" in done.stderr
    listed = lem("config", "list", "-d", ".")
    assert commands_nothing(listed.stdout)


def test_a_log_on_the_screen_is_harmless_too(lem: Lem) -> None:
    config = lem.write({**CONFIG, "echo": {"fail_load": True}})
    done = lem("-vv", "experiment", config)
    assert done.returncode == 1
    assert commands_nothing(done.stderr)


# Folders and states that somebody changed.


def test_a_raw_folder_that_leads_out_is_not_followed(lem: Lem) -> None:
    config = lem.write(CONFIG)
    experiment_id = lem.json("experiment", config, "--no-aggregate")["experiment_id"]
    raw = lem.folder / "results" / "raw" / experiment_id
    raw.rename(lem.folder / "outside")
    raw.symlink_to(lem.folder / "outside")
    before = tree(lem.folder / "outside")
    done = lem("aggregate", experiment_id)
    assert done.returncode in (1, 2)
    assert "leads out of" in done.stderr
    # What was finished becomes unfinished, so that a resume gets as far as the folder.
    change_state(lem, experiment_id, status="interrupted")
    resumed = lem("experiment", "--resume", experiment_id)
    assert resumed.returncode in (1, 2)
    assert "leads out of" in resumed.stderr
    for done in (lem("results", "show", experiment_id), lem("results", "list", "--all")):
        assert "Traceback" not in done.stderr
        assert "bug in lem" not in done.stderr
    assert tree(lem.folder / "outside") == before
    assert lem.json("results", "list") == []


def change_state(lem: Lem, of: str, **fields: Any) -> None:
    change(lem.folder / ".state" / f"{of}.json", fields)


def change(file: Path, fields: dict[str, Any]) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


@pytest.fixture
def unfinished(lem: Lem) -> str:
    """The id of an experiment that can be resumed."""
    lem("experiment", lem.write({**CONFIG, "echo": {"fail_load": True}}))
    (row,) = lem.json("results", "list", "--all")
    return str(row["experiment_id"])


def test_a_state_with_another_id_is_refused(lem: Lem, unfinished: str) -> None:
    change_state(lem, unfinished, experiment_id="../../outside")
    before = tree(lem.folder)
    for command in (("experiment", "--resume"), ("aggregate",)):
        done = lem(*command, unfinished)
        assert done.returncode in (1, 2)
        assert "Traceback" not in done.stderr
    shown = lem("results", "show", unfinished)
    assert "holds the state of" in shown.stdout + shown.stderr
    lines = lem("aggregate").stderr.splitlines()
    assert lines[0].startswith("Warning: ") and lines.count(lines[0]) == 1
    assert changed(before, lem.folder) == set()


def changed(before: dict[str, bytes | None], folder: Path) -> set[str]:
    """What is new or different, lock files apart."""
    after = tree(folder)
    return {
        name
        for name in before.keys() | after.keys()
        if before.get(name) != after.get(name) and not name.endswith(".lock")
    }


@pytest.mark.parametrize("results_dir", ["/etc", "\0", ANSI, "x" * 5000, "config.json"])
def test_a_state_that_leads_elsewhere_finds_nothing_there(
    lem: Lem, unfinished: str, results_dir: str
) -> None:
    change_state(lem, unfinished, results_dir=results_dir, results_from_here=results_dir)
    # Where they lie by default they would be found.
    (lem.folder / "results").rename(lem.folder / "away")
    before = tree(lem.folder)
    commands = [
        ("experiment", "--resume", unfinished),
        ("aggregate", unfinished),
        ("results", "show", unfinished),
        ("results", "list", "--all"),
    ]
    for command in commands:
        done = lem(*command)
        assert done.returncode in ((1, 2) if command[0] != "results" else (0, 1, 2))
        assert "bug in lem" not in done.stderr, (command, done.stderr)
        assert "Traceback" not in done.stderr
        assert commands_nothing(done.stdout + done.stderr)
    assert changed(before, lem.folder) == set()


@pytest.mark.parametrize(
    "fields",
    [
        {"experiment_id": "../../../outside"},
        {"experiment_id": "20200101-000000-000000-aaaa"},
        {"results_dir": "/nowhere/else"},
        {"cycles": [1, 2, 3000]},
    ],
)
def test_a_context_that_was_changed_writes_nowhere_else(
    lem: Lem, unfinished: str, fields: dict[str, Any]
) -> None:
    change(lem.folder / "results" / "raw" / unfinished / "context_1.json", fields)
    outside = set(os.listdir(lem.folder.parent)) | set(os.listdir(lem.folder))
    done = lem("experiment", "--resume", unfinished)
    assert done.returncode in (1, 2)
    assert "bug in lem" not in done.stderr
    assert set(os.listdir(lem.folder.parent)) | set(os.listdir(lem.folder)) == outside
    assert os.listdir(lem.folder / "results" / "raw") == [unfinished]


def test_a_dataset_s_name_stays_in_the_cache(lem: Lem) -> None:
    for name in ("../../x", "a/../../b", "..", "owner/..", "owner/name/../../.."):
        config = lem.write({**CONFIG, "prompts": {"type": "huggingface", "dataset": name}})
        before = set(os.listdir(lem.folder.parent))
        done = lem("experiment", config, HF_HOME=str(lem.folder / "hf"))
        assert done.returncode in (1, 2), done.stderr
        assert "bug in lem" not in done.stderr
        assert set(os.listdir(lem.folder.parent)) == before


def test_prompts_may_hold_anything(lem: Lem) -> None:
    prompts = [f"a{ANSI}b", "\0", "$(touch ran)", "</s>" * 9]
    lines = "".join(json.dumps({"prompt": text}) + "\n" for text in prompts)
    spread_out(lem.folder, {"p.jsonl": lines})
    config = {**CONFIG, "num_prompts": 4, "prompts": {"type": "file", "path": "p.jsonl"}}
    done = lem("experiment", lem.write(config))
    assert done.returncode == 0, done.stderr
    assert commands_nothing(done.stdout + done.stderr)
    assert not (lem.folder / "ran").exists()


@pytest.mark.parametrize("redirected", [">/dev/full", ">&-", "1</dev/null"])
def test_a_command_that_reads_parquet_ends_in_one_line_too(lem: Lem, redirected: str) -> None:
    # pyarrow is loaded, so that this process ends in a way of its own.
    line = f'"{lem.command}" results export -f csv {redirected}'
    done = subprocess.run(
        ["sh", "-c", line], cwd=lem.folder, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("Error: stdout cannot be written: ")
    assert "Traceback" not in done.stderr
