"""Whatever a user gets wrong: the exit code, one clear message, no traceback, nothing written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from .conftest import TIMEOUT_S, Lem

GOOD = "config_name: a\nmodel_name: builtin:tiny-llama\n"
# CPU time far above what it takes (benchmarks/startup.py measures that), and below what importing
# an engine takes.
GENEROUS_S = 2.0


@dataclass(frozen=True)
class Bad:
    """One mistake: what lies in the folder, what is typed, and what must be said."""

    name: str
    says: tuple[str, ...]
    files: dict[str, str | bytes] = field(default_factory=dict)
    args: tuple[str, ...] = ("c.yaml",)
    code: int = 2
    env: dict[str, str] = field(default_factory=dict)


def in_file(name: str, lines: str, *says: str) -> Bad:
    """A mistake in the config's third line and below."""
    return Bad(name, says, {"c.yaml": GOOD + lines + "\n"})


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)

UNKNOWN_KEYS = [
    in_file("unknown-key-universal", "num_promts: 3", "c.yaml:3: num_promts:", "'num_prompts'"),
    in_file(
        "unknown-key-decoder",
        "decoder: {temprature: 1.0}",
        "c.yaml:3: decoder.temprature:",
        "did you mean 'temperature'?",
    ),
    in_file(
        "unknown-key-pytorch",
        "pytorch:\n  batchsize: 8",
        "c.yaml:4: pytorch.batchsize:",
        "did you mean 'batch_size'?",
    ),
    in_file(
        "unknown-key-energy", "energy: {bakend: none}", "c.yaml:3: energy.bakend:", "'backend'?"
    ),
    in_file(
        "unknown-key-energy-source",
        "energy: {backend: codecarbon, codecarbon: {country: DEU}}",
        "c.yaml:3: energy.codecarbon.country:",
        "country_iso_code",
    ),
    in_file("unknown-key-prompts", "prompts: {typ: file}", "c.yaml:3: prompts.typ:", "'type'?"),
    in_file(
        "unknown-key-length",
        "num_prompts: 1\nprompts: {type: synthetic, input_len: {min: 1, mx: 2}}",
        "c.yaml:4: prompts.input_len",
        "mx",
    ),
    in_file("unknown-key-warmup", "warmup: {prompt: 3}", "c.yaml:3: warmup.prompt:", "'prompts'?"),
    in_file("unknown-key-io", "io: {result_dir: x}", "c.yaml:3: io.result_dir:", "'results_dir'?"),
    in_file("not-offered", "streaming: true", "c.yaml:3: streaming:", "not supported yet"),
]

VALUES = [
    in_file("wrong-type", "num_prompts: many", "c.yaml:3: num_prompts:", "'many'", "whole number"),
    in_file("wrong-type-section", "decoder: 3", "c.yaml:3: decoder: found 3", "a mapping"),
    in_file("wrong-type-null", "seed: null", "c.yaml:3: seed: found null", "whole number"),
    in_file("wrong-choice", "dtype: float61", "c.yaml:3: dtype:", "float32, float16, bfloat16"),
    in_file("out-of-range", "num_prompts: 0", "c.yaml:3: num_prompts: found 0", "at least 1"),
    in_file("out-of-range-decoder", "decoder: {temperature: 3}", "temperature: found 3", "most 2"),
    in_file("not-finite", "decoder: {top_p: .nan}", "c.yaml:3: decoder.top_p:", "finite number"),
    in_file(
        "min-above-max",
        "min_output_tokens: 9\nmax_output_tokens: 4",
        "c.yaml:3: min_output_tokens",
        "(9) is above max_output_tokens (4)",
    ),
    in_file(
        "foreign-section",
        "echo: {batch_size: 2}",
        "c.yaml:3: echo:",
        "this config uses 'pytorch'",
        "set 'backend: echo'",
    ),
    in_file("foreign-engine", "vllm: {max_num_seqs: 4}", "c.yaml:3: vllm:", "not supported yet"),
    in_file("unknown-backend", "backend: pytorh", "c.yaml:3: backend:", "did you mean 'pytorch'?"),
    in_file(
        "unknown-energy-backend", "energy: {backend: codcarbon}", "energy.backend:", "'codecarbon'"
    ),
    in_file(
        "unknown-preset", "preset: quick-tst", "c.yaml:3: preset:", "did you mean 'quick-test'"
    ),
    in_file("given-twice", "seed: 1\nseed: 2", "c.yaml:4: seed: given twice, first in line 3"),
    in_file("code-of-models", "backend: echo\ntrust_remote_code: true", "'echo' runs no code"),
]

FILES = [
    Bad("missing-file", ("nowhere.yaml: there is no such file",), args=("nowhere.yaml",)),
    Bad("folder", (".: there is no config file", "in this folder"), args=(".",)),
    Bad("binary-file", ("c.yaml: not a text file",), {"c.yaml": bytes(range(256))}),
    Bad("nul-bytes", ("c.yaml: not a text file", "NUL"), {"c.yaml": b"a: b\0c"}),
    Bad("empty-file", ("c.yaml: the file is empty",), {"c.yaml": ""}),
    Bad("huge-file", ("c.yaml: larger than 1 MiB",), {"c.yaml": b"#" * 2_000_000}),
    Bad("broken-yaml", ("c.yaml:4: not valid YAML",), {"c.yaml": GOOD + "a: [1,\nb: 2"}),
    Bad("tabs", ("c.yaml:4: not valid YAML",), {"c.yaml": GOOD + "decoder:\n\ttop_k: 1\n"}),
    Bad("a-list", ("c.yaml:1: a config is a mapping",), {"c.yaml": "- a\n- b\n"}),
    Bad("broken-json", ("c.json:2: not valid",), {"c.json": '{"a": 1,\n"b" 2}'}, ("c.json",)),
    Bad(
        "wrong-json",
        ("c.json:3: num_prompts: found 0",),
        {"c.json": '{"config_name": "a", "model_name": "m",\n\n"num_prompts": 0}'},
        ("c.json",),
    ),
    Bad(
        "yaml-tag",
        ("c.yaml:3: seed: the tag", "is not allowed"),
        {"c.yaml": GOOD + "seed: !!python/object/apply:os.system ['touch ran']\n"},
    ),
    Bad(
        "yaml-tag-of-a-mapping",
        ("c.yaml:3: decoder: the tag", "is not allowed"),
        {"c.yaml": GOOD + "decoder: !!python/object/new:os.system {args: ['touch ran']}\n"},
    ),
    Bad("yaml-bomb", ("c.yaml", "too large or too deep"), {"c.yaml": BOMB}),
    Bad("yaml-depth", ("c.yaml:1", "too deep"), {"c.yaml": "a: " + "[" * 5000 + "]" * 5000}),
    Bad(
        "extends-cycle",
        ("b.yaml:1: _extends:", "in a circle: c.yaml -> b.yaml -> c.yaml"),
        {"c.yaml": "_extends: b.yaml\n" + GOOD, "b.yaml": "_extends: c.yaml\n"},
    ),
    Bad(
        "extends-itself",
        ("c.yaml:1: _extends:", "circle: c.yaml -> c.yaml"),
        {"c.yaml": "_extends: ./c.yaml\n" + GOOD},
    ),
    Bad(
        "extends-missing",
        ("c.yaml:1: _extends:", "nowhere.yaml", "no such file"),
        {"c.yaml": "_extends: nowhere.yaml\n" + GOOD},
    ),
    Bad(
        "mistake-of-a-parent",
        ("p.yaml:1: seed: found -1",),
        {"c.yaml": "_extends: p.yaml\n" + GOOD, "p.yaml": "seed: -1\n"},
    ),
]

SOURCES = [
    Bad(
        "missing-model",
        ("the model directory", "nowhere does not exist", "Hint: give the directory that holds"),
        {"c.yaml": "config_name: a\nmodel_name: ./nowhere\n"},
    ),
    Bad(
        "model-is-a-file",
        ("is not a directory",),
        {"c.yaml": "config_name: a\nmodel_name: ./c.yaml\n"},
    ),
    Bad(
        "model-folder-lacks",
        ("lacks a tokenizer", "weights"),
        {"c.yaml": "config_name: a\nmodel_name: ./m\n", "m/config.json": "{}"},
    ),
    Bad(
        "builtin-typo",
        ("no built-in model 'tiny-lama'; did you mean 'tiny-llama'?",),
        {"c.yaml": "config_name: a\nmodel_name: builtin:tiny-lama\n"},
    ),
    Bad(
        "revision-of-a-folder",
        ("revision 'main' is given", "remove 'revision'"),
        {"c.yaml": GOOD + "revision: main\n"},
    ),
    Bad(
        "hub-is-off",
        ("'owner/name' is not complete in the local cache, and HF_HUB_OFFLINE is set", "Hint:"),
        {"c.yaml": "config_name: a\nmodel_name: owner/name\n"},
        code=1,
    ),
    Bad("no-hub-id", ("'a/b/c' is neither",), {"c.yaml": "config_name: a\nmodel_name: a/b/c\n"}),
    Bad(
        "empty-prompts",
        ("p.txt holds no prompt",),
        {"c.yaml": GOOD + "prompts: {type: file, path: p.txt}\n", "p.txt": " \n\n"},
    ),
    Bad(
        "missing-prompts",
        ("prompts.path: no file", "p.txt", "Hint:"),
        {"c.yaml": GOOD + "prompts: {type: file, path: p.txt}\n"},
    ),
    Bad(
        "binary-prompts",
        ("p.txt is not UTF-8 text: byte 0",),
        {"c.yaml": GOOD + "prompts: {type: file, path: p.txt}\n", "p.txt": b"\xff\x80\0"},
    ),
    Bad(
        "broken-jsonl",
        ("p.jsonl:2: not JSON",),
        {
            "c.yaml": GOOD + "prompts: {type: file, path: p.jsonl}\n",
            "p.jsonl": '{"prompt": "a"}\n{"prompt": \n',
        },
    ),
    Bad(
        "too-few-prompts",
        ("num_prompts is 9, but", "holds 2 prompts"),
        {
            "c.yaml": GOOD + "num_prompts: 9\nprompts: {type: file, path: p.txt}\n",
            "p.txt": "a\nb\n",
        },
    ),
    Bad(
        "missing-dataset",
        ("./nowhere", "Hint:"),
        {"c.yaml": GOOD + "prompts: {type: huggingface, dataset: ./nowhere}\n"},
    ),
    Bad(
        "results-in-a-file",
        ("cannot write in", "blocked is a file"),
        {"c.yaml": GOOD + "io: {results_dir: blocked/results}\n", "blocked": ""},
    ),
]

COMMAND_LINE = [
    Bad("no-config", ("Give a CONFIG file",), args=()),
    Bad("unknown-option", ("No such option '--sed'", "--seed"), args=("c.yaml", "--sed", "1")),
    Bad(
        "unknown-flag-preset", ("no preset 'nope'",), {"c.yaml": GOOD}, ("c.yaml", "--preset=nope")
    ),
    Bad(
        "set-unknown-key",
        ("command line: num_promts: unknown key; did you mean 'num_prompts'?",),
        {"c.yaml": GOOD},
        ("c.yaml", "--set", "num_promts=3"),
    ),
    Bad(
        "set-wrong-type",
        ("command line: num_prompts: found 'abc', must be a whole number",),
        {"c.yaml": GOOD},
        ("c.yaml", "--set", "num_prompts=abc"),
    ),
    Bad(
        "set-no-value",
        ("--set: found 'seed', must be key=value",),
        {"c.yaml": GOOD},
        ("c.yaml", "--set", "seed"),
    ),
    Bad(
        "set-everything",
        (
            "command line: backend: there is no backend 'nope'",
            "command line: decoder.temperature: found 9, must be at most 2",
            "command line: nonsense: unknown key",
            "command line: num_prompts: found 0, must be at least 1",
        ),
        args=tuple(
            part
            for text in (
                "config_name=a",
                "model_name=builtin:tiny-llama",
                "backend=nope",
                "decoder.temperature=9",
                "nonsense.deep=1",
                "num_prompts=0",
            )
            for part in ("--set", text)
        ),
    ),
    Bad(
        "environment",
        ("environment variable LEM_NUM_PROMPTS: num_prompts: found 0, must be at least 1",),
        {"c.yaml": GOOD},
        env={"LEM_NUM_PROMPTS": "0"},
    ),
    Bad(
        "user-file",
        (".lem-config.yaml:1: verbosity:", "quiet, normal, verbose"),
        {"c.yaml": GOOD, ".lem-config.yaml": "verbosity: loud\n"},
    ),
    Bad(
        "dotenv",
        (".env cannot be read", "Hint:"),
        {"c.yaml": GOOD, ".env": b"\xff\xfe\0"},
    ),
    Bad("missing-prompts-flag", ("no file", "p.txt"), {"c.yaml": GOOD}, ("c.yaml", "-p", "p.txt")),
    Bad("unknown-experiment", ("no experiments in",), args=("--resume", "20260101")),
]

ALL = [*UNKNOWN_KEYS, *VALUES, *FILES, *SOURCES, *COMMAND_LINE]


def spread_out(folder: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder, hidden files included."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def told_once(done: subprocess.CompletedProcess[str], bad: Bad) -> None:
    assert done.returncode == bad.code, done.stderr
    assert "Traceback" not in done.stderr
    assert "bug in lem" not in done.stderr
    assert done.stderr.count("Error:") == 1
    assert done.stdout == ""
    for words in bad.says:
        assert words in done.stderr, f"{words!r} is not in:\n{done.stderr}"


@pytest.mark.parametrize("bad", ALL, ids=lambda bad: bad.name)
def test_a_mistake_is_told_at_once_and_leaves_no_trace(lem: Lem, bad: Bad) -> None:
    spread_out(lem.folder, bad.files)
    before = tree(lem.folder)
    done = lem("experiment", *bad.args, **bad.env)
    print(f"{bad.name}: {lem.warm.cpu_s:.2f} s\n{done.stderr}")
    told_once(done, bad)
    assert tree(lem.folder) == before
    assert lem.warm.cpu_s < GENEROUS_S


@pytest.mark.parametrize("bad", [*UNKNOWN_KEYS[:2], *FILES[-3:]], ids=lambda bad: bad.name)
@pytest.mark.parametrize("command", ["validate", "show"])
def test_config_commands_say_the_same(lem: Lem, bad: Bad, command: str) -> None:
    spread_out(lem.folder, bad.files)
    told_once(lem("config", command, *bad.args), bad)


def test_a_dry_run_finds_the_same(lem: Lem) -> None:
    spread_out(lem.folder, {"c.yaml": "config_name: a\nmodel_name: ./nowhere\n"})
    done = lem("experiment", "c.yaml", "--dry-run")
    assert done.returncode == 2
    assert "does not exist" in done.stderr


def test_three_mistakes_are_told_together_and_as_json(lem: Lem) -> None:
    text = GOOD + "num_promts: 3\ndecoder:\n  temperature: 9\ndtype: float61\n"
    spread_out(lem.folder, {"c.yaml": text})
    told = lem.json("experiment", "c.yaml", code=2)["error"]
    found = {(p["place"]["line"], p["key"], p["code"]) for p in told["problems"]}
    assert found == {
        (3, "num_promts", "unknown_key"),
        (5, "decoder.temperature", "invalid_value"),
        (6, "dtype", "invalid_value"),
    }


# Folders that may not be written, as a user who is not root.


@dataclass(frozen=True)
class Guest:
    """Runs `lem` without root's rights in a folder where only ``free`` may be written."""

    folder: Path
    command: str

    def __call__(
        self, *arguments: str, command: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        prefix: list[str] = []
        if os.geteuid() == 0:
            prefix = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        env = {
            **os.environ,
            "HOME": str(self.folder / "free"),
            "LLM_ENERGY_STATE_DIR": str(self.folder / "free" / "state"),
        }
        env.pop("LLM_ENERGY_RESULTS_DIR", None)
        if arguments[0].startswith("LLM_"):
            name, _, value = arguments[0].partition("=")
            env[name] = value
            arguments = arguments[1:]
        return subprocess.run(
            [*prefix, command or self.command, *arguments],
            cwd=self.folder / "free",
            env=env,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            stdin=subprocess.DEVNULL,
        )


@pytest.fixture
def guest(lem: Lem) -> Iterator[Guest]:
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("root may write everywhere, and there is no setpriv to give that up")
    # Not tmp_path: pytest's folders are closed to other users.
    folder = Path(tempfile.mkdtemp(prefix="lem-guest-"))
    folder.chmod(0o755)
    (folder / "free").mkdir()
    (folder / "free").chmod(0o777)
    (folder / "locked").mkdir()
    (folder / "locked").chmod(0o555)
    config = {"config_name": "a", "model_name": "m", "backend": "echo", "num_prompts": 2}
    (folder / "free" / "c.json").write_text(json.dumps({**config, "energy": {"backend": "none"}}))
    found = Guest(folder, lem.command)
    try:
        if found("--version").returncode != 0:
            pytest.skip("another user than root cannot read this environment")
        yield found
    finally:
        (folder / "locked").chmod(0o755)
        shutil.rmtree(folder)


@pytest.mark.parametrize("place", ["locked", "locked/deeper/results"])
def test_results_that_cannot_be_written_are_refused_before_anything_starts(
    guest: Guest, place: str
) -> None:
    before = tree(guest.folder)
    done = guest("experiment", "c.json", "--results-dir", str(guest.folder / place))
    bad = Bad("", (str(guest.folder / place), "not yours to write", "--results-dir"), code=1)
    told_once(done, bad)
    assert tree(guest.folder) == before


def test_states_that_cannot_be_written_are_refused_before_anything_starts(guest: Guest) -> None:
    before = tree(guest.folder)
    done = guest(f"LLM_ENERGY_STATE_DIR={guest.folder / 'locked'}", "experiment", "c.json")
    told_once(done, Bad("", ("not yours to write", "LLM_ENERGY_STATE_DIR"), code=1))
    assert tree(guest.folder) == before


def test_the_same_user_measures_where_it_may_write(guest: Guest) -> None:
    if guest("-c", f"{sys.executable} --version", command="/bin/sh").returncode != 0:
        pytest.skip("another user than root cannot start this environment's Python")
    done = guest("experiment", "c.json")
    assert done.returncode == 0, done.stderr
    assert list((guest.folder / "free" / "results" / "aggregated").glob("*.json"))
