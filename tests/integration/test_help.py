"""Help of every command: short sentences, lines to copy that work, defaults, exit codes, a page."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from llenergymeasure.cli.root import lem
from llenergymeasure.orchestration.stored.selection import SORT_KEYS

from .conftest import call
from .test_every_command import CALLS, find_command

DOCS = Path(__file__).parents[2] / "docs"
MOST_WORDS = 25


def help_of(name: str) -> str:
    code, out, _ = call(*name.split(), "--help")
    assert code == 0
    return out


def examples_of(name: str) -> list[str]:
    return re.findall(r"^    (lem .*)$", help_of(name), re.MULTILINE)


@pytest.mark.parametrize("name", CALLS)
def test_help_ends_with_lines_to_copy_and_with_exit_codes(name: str) -> None:
    *_, codes = help_of(name).strip().split("\n\n")
    assert codes.strip().startswith("Exit codes: ")
    assert examples_of(name)


@pytest.mark.parametrize("name", ["", *CALLS])
def test_an_example_is_a_line_that_is_understood(name: str) -> None:
    for line in examples_of(name):
        assert (
            f"lem {name}".split()
            == [w for w in line.split() if w != "--json"][: len(name.split()) + 1]
        )
        command: click.Command = lem
        context = click.Context(lem, info_name="lem")
        words = [word for word in shlex.split(line)[1:] if word != "--json"]
        while isinstance(command, click.Group):
            _, found, words = command.resolve_command(context, words)
            assert found is not None
            command = found
        # Parses and checks, and calls nothing.
        command.make_context(command.name, words, parent=context)


@pytest.mark.parametrize("name", ["results list", "results export"])
def test_what_can_be_sorted_by_is_what_is_offered(name: str) -> None:
    (sort,) = [p for p in find_command(name).params if p.name == "sort"]
    assert isinstance(sort.type, click.Choice)
    assert tuple(sort.type.choices) == SORT_KEYS


@pytest.mark.parametrize("name", CALLS)
def test_sentences_are_short_and_defaults_are_told(name: str) -> None:
    command = find_command(name)
    texts = [command.help or ""]
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help or parameter.hidden, parameter.name
            texts.append(parameter.help or "")
            told = parameter.show_default or "default" in texts[-1].lower()
            given = parameter.to_info_dict()["default"]
            assert told or parameter.is_flag or parameter.count or given in (None, ()), parameter
    for text in texts:
        for sentence in re.split(r"[.;:]\s|\n\n", text):
            assert len(sentence.split()) <= MOST_WORDS, sentence


def test_the_page_names_every_command_and_no_other() -> None:
    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    named = re.findall(r"`lem ((?:[a-z-]+ ?)+)", page)
    for name in CALLS:
        assert any(f"{words} ".startswith(f"{name} ") for words in named), name
    for words in named:
        found: click.Command | None = lem
        for word in words.split():
            if not isinstance(found, click.Group):
                break
            found = found.get_command(click.Context(found), word)
            assert found is not None, words
