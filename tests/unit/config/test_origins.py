"""Every value, right or wrong, is said to come from where it was written."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from llenergymeasure.config.annotations import annotation_at
from llenergymeasure.config.loader import load
from llenergymeasure.config.models import config_model
from llenergymeasure.config.presets import PRESETS
from llenergymeasure.config.problems.report import InvalidConfigError
from llenergymeasure.config.resolve import LoadedConfig
from llenergymeasure.config.sources import dotenv
from llenergymeasure.config.sources.environment import raw_paths
from llenergymeasure.constants import OWN_VARIABLES

ROOT = Path(__file__).parents[3]
GOOD = "config_name: a\nmodel_name: m\n"


@dataclass(frozen=True)
class Source:
    """A way to give one value: it writes what is needed and loads."""

    name: str
    layer: str
    place: str
    load: Callable[[str, str], LoadedConfig]


def _file(key: str, value: str) -> str:
    *sections, last = key.split(".")
    text = f"{last}: {value}"
    for section in reversed(sections):
        text = f"{section}: {{{text}}}"
    return text


def _user(key: str, value: str) -> LoadedConfig:
    Path(".lem-config.yaml").write_text(f"defaults:\n  {_file(key, value)}\n")
    return load("c.yaml")


def _own_file(key: str, value: str) -> LoadedConfig:
    Path("c.yaml").write_text(f"{GOOD}{_file(key, value)}\n")
    return load("c.yaml")


def _base_file(key: str, value: str) -> LoadedConfig:
    Path("base.yaml").write_text(f"\n{_file(key, value)}\n")
    Path("c.yaml").write_text(f"{GOOD}_extends: base.yaml\n")
    return load("c.yaml")


def _variable(key: str) -> str:
    return "LEM_" + key.upper().replace(".", "__")


def _environment(key: str, value: str) -> LoadedConfig:
    return load("c.yaml", env={_variable(key): value})


def _dotenv(key: str, value: str) -> LoadedConfig:
    Path(".env").write_text(f"# mine\nexport {_variable(key)}='{value}'\n")
    dotenv.take_dotenv()
    return load("c.yaml")


def _set(key: str, value: str) -> LoadedConfig:
    return load("c.yaml", sets=[f"{key}={value}"], env={})


def _option(key: str, value: str) -> LoadedConfig:
    return load("c.yaml", {key: int(value) if value.isdigit() else value}, env={})


SOURCES = [
    Source("user", "user", ".lem-config.yaml:2", _user),
    Source("file", "file", "c.yaml:3", _own_file),
    Source("base", "file", "base.yaml:2", _base_file),
    Source("environment", "environment", "environment variable {variable}", _environment),
    Source("dotenv", "dotenv", "{variable} in .env:2", _dotenv),
    Source("set", "cli", "command line", _set),
    Source("option", "cli", "command line", _option),
]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dotenv, "_taken", {})
    Path("c.yaml").write_text(GOOD)
    yield
    for name in [name for name in os.environ if name.startswith("LEM_")]:
        del os.environ[name]


@pytest.mark.parametrize("key", ["seed", "decoder.top_k", "extra_metadata.run"])
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_a_value_is_said_to_come_from_where_it_was_written(source: Source, key: str) -> None:
    loaded = source.load(key, "7")
    place = source.place.format(variable=_variable(key))
    assert loaded.provenance[key] == {"source": source.layer, "place": place}
    assert not loaded.warnings


@pytest.mark.parametrize("key", ["seed", "decoder.top_k", "decoder", "prompts"])
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_a_wrong_value_is_blamed_on_where_it_was_written(source: Source, key: str) -> None:
    with pytest.raises(InvalidConfigError) as caught:
        source.load(key, "x")
    problem = caught.value.problems[0]
    assert str(problem.place) == source.place.format(variable=_variable(key))
    assert problem.key == key


def test_a_value_of_a_preset_names_it() -> None:
    loaded = load("c.yaml", preset="quick-test", env={})
    assert loaded.provenance["num_prompts"] == {
        "source": "preset",
        "place": "preset quick-test",
    }
    assert all(
        "quick-test" in loaded.provenance[key]["place"]
        for key in PRESETS["quick-test"][1]
        if key in loaded.provenance
    )


@pytest.mark.parametrize(
    ("given", "key", "message"),
    [
        ("extra_metadata.a.b.c=1", "extra_metadata.a", "found a mapping, must be text, a whole"),
        ("extra_metadata.a.str=1", "extra_metadata.a", "found a mapping, must be text, a whole"),
        ("extra_metadata.a=[1]", "extra_metadata.a", "found a list, must be text, a whole"),
        ("prompts.a.b.c=1", "prompts.a", "unknown key"),
        ("seed.a=1", "seed", "found a mapping, must be a whole number"),
        ("model_name.a.b=1", "model_name", "found a mapping, must be text"),
        ("energy.backend.x=1", "energy.backend", "must be an energy backend's name"),
        ("decoder=4", "decoder", "found 4, must be a mapping"),
    ],
)
@pytest.mark.parametrize("content", [GOOD, GOOD + "seed: 1\ndecoder: {top_k: 2}\n"])
def test_keys_that_are_too_deep_or_too_shallow_blame_no_file(
    content: str, given: str, key: str, message: str
) -> None:
    Path("c.yaml").write_text(content)
    with pytest.raises(InvalidConfigError) as caught:
        load("c.yaml", sets=[given], env={})
    (problem,) = caught.value.problems
    assert (str(problem.place), problem.key) == ("command line", key)
    assert problem.message.startswith(message) or message in problem.message


def test_labels_from_variables_and_sets_are_what_they_would_be_in_a_file() -> None:
    env = {"LEM_EXTRA_METADATA__RUN": "4", "LEM_EXTRA_METADATA__NOTE": "no"}
    loaded = load("c.yaml", sets=["extra_metadata.ok=true"], env=env)
    assert loaded.config.extra_metadata == {"run": 4, "note": "no", "ok": True}
    assert not loaded.warnings


@pytest.mark.parametrize("name", ["LEM_DECODER", "LEM_EXTRA_METADATA"])
def test_a_variable_and_one_below_it_contradict_each_other(name: str) -> None:
    with pytest.raises(InvalidConfigError, match="is given a value and keys of its own"):
        load("c.yaml", env={name: "1", f"{name}__TOP_K": "2"})


@pytest.mark.parametrize(
    "sets", [["decoder=1", "decoder.top_k=2"], ["decoder.top_k=2", "decoder=1"]]
)
def test_the_order_of_sets_hides_no_contradiction(sets: list[str]) -> None:
    with pytest.raises(InvalidConfigError, match="is given a value and keys of its own"):
        load("c.yaml", sets=sets, env={})


def test_every_variable_in_the_docs_is_known_and_every_known_one_is_there() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    named = set()
    for page in pages:
        named |= set(re.findall(r"(?<![_A-Z])(?:LEM|LLM_ENERGY)_[A-Z_]+", page.read_text("utf-8")))
    named -= {"LEM_"}
    for name in named - set(OWN_VARIABLES):
        (path,) = raw_paths({name: ""})
        assert annotation_at(config_model("pytorch"), path) is not None, name
    table = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    for name, meaning in OWN_VARIABLES.items():
        assert f"| `{name}` | {meaning} |" in table
    assert not load("c.yaml", env=dict.fromkeys(OWN_VARIABLES, "x")).warnings


def test_every_variable_that_the_code_names_is_on_the_list() -> None:
    for file in (ROOT / "src").rglob("*.py"):
        for name in re.findall(r'"((?:LEM|LLM_ENERGY)_[A-Z_]+)"', file.read_text("utf-8")):
            assert name in OWN_VARIABLES or name == "LEM_", f"{file}: {name}"
