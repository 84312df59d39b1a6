"""A command or an option that a text of ours names is there, and so it is in the docs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from llenergymeasure import durable
from llenergymeasure.cli import main
from llenergymeasure.cli.root import lem
from llenergymeasure.exceptions import StorageError
from llenergymeasure.state.manager import StateManager

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "llenergymeasure"
# What begins a command, not a sentence about lem.
COMMAND = re.compile(r"(?:^|[:;,`'\"(] ?|\b(?:with|try|see|call|then|next) )lem ([^`'\");|\n]+)")
OPTION = re.compile(r"(?<![^\s'\"`(\[])--[a-z][a-z0-9]*(?:-[a-z0-9]+)*(?![-\w])")
# Other programs, whose options are not ours.
FOREIGN = (
    "pip ",
    "torchrun",
    "accelerate launch",
    "uv ",
    "nvidia-smi",
    "docker ",
    "chmod ",
    "git ",
)


def tree(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield words
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from tree(inner, (*words, name))


def find(words: tuple[str, ...]) -> click.Command:
    command: click.Command = lem
    for word in words:
        assert isinstance(command, click.Group)
        inner = command.get_command(click.Context(command), word)
        assert inner is not None
        command = inner
    return command


def options_of(command: click.Command) -> set[str]:
    found = {opt for p in command.params for opt in (*p.opts, *p.secondary_opts)}
    return found | {opt for p in lem.params for opt in p.opts} | {"--help", "--version"}


COMMANDS = set(tree(lem))
# Of hf download, put together of several texts.
OTHERS = {"--force-download", "--revision"}
ALL_OPTIONS = set().union(*(options_of(find(words)) for words in COMMANDS))


def check(text: str) -> Iterator[str]:
    """What is wrong with the commands and options that a text names."""
    for match in COMMAND.finditer(text):
        said = match[1].split()
        words: tuple[str, ...] = ()
        for word in said:
            if (*words, word) not in COMMANDS:
                break
            words = (*words, word)
        following = said[len(words)] if len(said) > len(words) else ""
        is_group = isinstance(find(words), click.Group)
        if is_group and re.fullmatch(r"[a-z][a-z-]+", following):
            yield f"there is no command 'lem {' '.join((*words, following))}'"
        before_dashes = match[1].split(" -- ")[0]
        for option in OPTION.findall(before_dashes):
            if option not in options_of(find(words)):
                yield f"'lem {' '.join(words)}' has no option {option}"
    if not any(program in text for program in FOREIGN):
        for option in OPTION.findall(text):
            if option not in ALL_OPTIONS | OTHERS:
                yield f"no command has an option {option}"


def texts(file: Path) -> Iterator[tuple[int, str]]:
    """The strings of a module; what is put in is ``{}``."""
    within = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.JoinedStr):
            within |= set(map(id, node.values))
            parts = (str(v.value) if isinstance(v, ast.Constant) else "{}" for v in node.values)
            yield node.lineno, "".join(parts)
        elif isinstance(node, ast.Constant) and id(node) not in within:
            yield node.lineno, str(node.value)


def test_texts_name_commands_and_options_that_are_there() -> None:
    wrong = [
        f"{file.relative_to(SOURCE)}:{line}: {fault}"
        for file in sorted(SOURCE.rglob("*.py"))
        for line, text in texts(file)
        for fault in check(text)
    ]
    assert not wrong


def test_docs_name_commands_that_are_there() -> None:
    wrong = []
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = page.read_text("utf-8")
        commands = re.findall(r"^\$? ?(lem [^#\n]+)", text, re.M) + re.findall(
            r"`(lem [^`]+)`", text
        )
        wrong += [f"{page}: {fault}" for command in commands for fault in check(command)]
    assert not wrong


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("see: lem experimnt c.yaml", "no command 'lem experimnt'"),
        ("lem config generate c.yaml", "no command 'lem config generate'"),
        ("list them with: lem results list --al", "no option --al"),
        ("choose another folder with --reslts-dir", "an option --reslts-dir"),
        ("try `lem init --output x`", "'lem init' has no option --output"),
    ],
)
def test_the_check_finds_what_is_wrong(text: str, fault: str) -> None:
    assert any(fault in found for found in check(text))


WRITERS = {
    "new": ["config", "new", "new.yaml"],
    "schema": ["config", "schema", "-o", "s.json"],
    "grid": ["config", "generate-grid", "c.yaml", "--vary", "seed=1,2"],
    "init": ["init", "--non-interactive"],
}


@pytest.mark.parametrize("args", WRITERS.values(), ids=WRITERS)
def test_a_command_that_cannot_write_hints_at_its_own_options(
    args: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text("config_name: a\nmodel_name: m\n")
    monkeypatch.setattr(durable, "_temporary", _refuse)
    assert main(args) == 1
    hint = next(line for line in capfd.readouterr().err.splitlines() if line.startswith("Hint:"))
    words = tuple(word for word in args[:2] if not word.startswith("-"))
    assert set(OPTION.findall(hint)) <= options_of(find(words if words in COMMANDS else words[:1]))
    # Results are not what it writes.
    assert "--results-dir" not in hint


def test_a_state_that_cannot_be_written_hints_at_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = StateManager(tmp_path)
    state = states.create(
        config_name="a", config_hash="0" * 64, planned_cycles=1, results_dir=tmp_path
    )
    monkeypatch.setattr(durable, "_temporary", _refuse)
    with pytest.raises(StorageError) as caught:
        states._save(state)
    assert "LLM_ENERGY_STATE_DIR" in (caught.value.hint or "")


def _refuse(*_args: object, **_options: object) -> None:
    raise PermissionError(13, "Permission denied")
