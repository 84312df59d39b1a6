"""A scalar means what YAML 1.2's core schema says, wherever it is written."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from click import ClickException
from hypothesis import given
from hypothesis import strategies as st

from llenergymeasure.cli.arguments.options import Number, Whole
from llenergymeasure.config.files.grid import expand, write_points
from llenergymeasure.config.loader import load
from llenergymeasure.config.problems.report import InvalidConfigError
from llenergymeasure.config.sources.core_schema import kind_of, read_scalar
from llenergymeasure.config.sources.yaml_file import parse_document, read_document

TEXTS = """
    1_0 1_000.5 0b11 0x1f_f +0x1F -0o7 0X1F 0O14 0o9 1:30 1:30.5 190:20:30 yes no on off y n
    Yes NO On OFF tRue nULL .Nan .iNF inf nan 1e 1e1.5 1.2.3 \u0661\u0662 = << <<x . + 2026-11-26
    2026-11-26T10:00:00Z
"""
SCALARS: list[tuple[str, Any]] = [
    *((text, None) for text in ("~", "null", "Null", "NULL", "")),
    *((text, True) for text in ("true", "True", "TRUE")),
    *((text, False) for text in ("false", "False", "FALSE")),
    *[("10", 10), ("014", 14), ("08", 8), ("0o14", 12), ("0x1F", 31), ("-1", -1), ("+1", 1)],
    *[(".5", 0.5), ("5.", 5.0), ("1e3", 1000.0), ("1E+3", 1000.0), ("-1.5e-3", -0.0015)],
    *[(".inf", math.inf), ("-.Inf", -math.inf), ("+.INF", math.inf)],
    *((text, text) for text in TEXTS.split()),
]
GOOD = "config_name: a\nmodel_name: m\nprompts: {type: builtin}\n"


def same(found: Any, expected: Any) -> bool:
    return type(found) is type(expected) and found == expected


@pytest.mark.parametrize(("text", "expected"), SCALARS)
@pytest.mark.parametrize("before", ["", "%YAML 1.1\n---\n", "%YAML 1.2\n---\n"])
def test_scalars_are_those_of_the_core_schema(before: str, text: str, expected: Any) -> None:
    data = parse_document(f"{before}a: {text}\nb: [{text}]\n", "c.yaml").data
    assert same(data["a"], expected)
    assert text == "" or same(data["b"][0], expected)
    quoted = parse_document(f"a: '{text}'\nb: ! {text}\nc: !!str {text}\n", "c.yaml").data
    assert quoted == {"a": text, "b": text, "c": text}


@pytest.mark.parametrize(("text", "expected"), SCALARS)
def test_a_scalar_means_the_same_in_every_source(
    text: str, expected: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "c.yaml"
    file.write_text(GOOD)
    keys = ("decoder.temperature", "num_prompts", "extra_metadata.run")
    for key in keys if text else ():
        section, _, name = key.rpartition(".")
        written = f"{section}: {{{name}: {text}}}" if section else f"{name}: {text}"
        wanted = outcome(file, f"{GOOD}{written}\n", key)
        assert outcome(file, GOOD, key, sets=[f"{key}={text}"]) == wanted
        user = tmp_path / ".lem-config.yaml"
        user.write_text(f"defaults: {{{written}}}\n")
        assert outcome(file, GOOD, key) == wanted
        user.unlink()
        if not section.startswith("extra"):
            variable = "LEM_" + key.upper().replace(".", "__")
            assert outcome(file, GOOD, key, env={variable: text}) == wanted
    if text and isinstance(expected, str | int):
        assert load(file, sets=[f"extra_metadata.run={text}"]).config.extra_metadata == {
            "run": expected
        }


def outcome(file: Path, content: str, key: str, **layers: Any) -> str:
    """The value of a key, or the words that say why it has none."""
    file.write_text(content)
    try:
        value: Any = load(file, **{"env": {}, **layers}).config
    except InvalidConfigError as error:
        return error.problems[0].message
    for part in key.split("."):
        value = value[part] if isinstance(value, dict) else getattr(value, part)
    return repr(value)


def test_an_axis_of_a_grid_is_read_and_written_as_it_stands(tmp_path: Path) -> None:
    base = tmp_path / "base.yaml"
    base.write_text(GOOD)
    texts = ["1_0", "0b11", "014", "0x1F", "yes", "1:30", "1e3"]
    points = expand(base, [f"extra_metadata.run={','.join(texts)}"])
    written = [load(path).config for path in write_points(base, points, tmp_path / "grid")]
    runs = [config.extra_metadata["run"] for config in written]
    assert runs == ["1_0", "0b11", 14, 31, "yes", "1:30", 1000.0]


@pytest.mark.parametrize(
    ("content", "line", "code"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "duplicate_key"),
        ("a: 1\nb: 2\n'a': 3\n", 3, "duplicate_key"),
        ('{"a": 1,\n "a": 2}', 2, "duplicate_key"),
        ("s:\n  a: 1\n  a: 2\n", 3, "duplicate_key"),
        ("<<: {a: 1}\n<<: {b: 1}\n", 2, "duplicate_key"),
        ("a: !!int 1_0\n", 1, "invalid_yaml"),
        ("a: 1\nb: !!bool yes\n", 2, "invalid_yaml"),
        ("a: !!float x\n", 1, "invalid_yaml"),
        ("a: 0x" + "f" * 9000, 1, "invalid_yaml"),
        ("a: " + "9" * 9000, 1, "invalid_yaml"),
        ('a: "\\ud800"', 1, "invalid_yaml"),
        ("1_0: a\n2: b\n", 2, "invalid_key"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(content: str, line: int, code: str) -> None:
    with pytest.raises(InvalidConfigError) as caught:
        parse_document(content, "c.yaml")
    problem = caught.value.problems[0]
    assert (problem.place.line, problem.code) == (line, code)


def test_own_keys_win_over_merged_ones_wherever_they_stand(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("a: &a {x: 1, y: 1}\nb: &b {x: 2, z: 2}\nc:\n  x: 3\n  <<: [*a, *b]\n'<<': t\n")
    document = read_document(file)
    assert document.data["c"] == {"x": 3, "y": 1, "z": 2}
    assert document.data["<<"] == "t"
    assert document.places["c", "x"].line == 4


def test_halves_of_a_character_in_json_are_one() -> None:
    assert parse_document('{"a": "\\ud83d\\ude00"}', "c.json").data == {"a": "😀"}


@pytest.mark.parametrize("kind", [Whole(0), Number()])
@pytest.mark.parametrize("text", ["1_0", "\u0661", "x"])
def test_options_take_no_other_numbers_than_files(kind: Whole | Number, text: str) -> None:
    with pytest.raises(ClickException, match="is not a valid"):
        kind.convert(text, None, None)
    assert kind.convert("14", None, None) == 14


@given(st.floats() | st.integers() | st.booleans() | st.none())
def test_what_json_writes_reads_back(value: Any) -> None:
    text = {True: "true", False: "false", None: "null"}.get(value) if not value else None
    text = text or (str(value).lower() if isinstance(value, bool) else repr(value))
    text = {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}.get(text, text)
    found = read_scalar(kind_of(text), text)
    assert found == value or found != found
