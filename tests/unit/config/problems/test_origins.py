"""A message that names a value which the file does not hold says where that value comes from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from llenergymeasure.config.loader import LoadedConfig, from_mapping, load
from llenergymeasure.config.problems.origins import find_keys
from llenergymeasure.config.problems.report import InvalidConfigError
from llenergymeasure.config.runtime_env import results_dir, state_dir
from llenergymeasure.exceptions import ConfigurationError, PromptSourceError
from llenergymeasure.orchestration.planning import RunOptions, plan

FILE = "config_name: a\nmodel_name: m\nbackend: echo\nprompts: {type: file, path: four.txt}\n"
FILE += "energy: {backend: none}\n"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("four.txt").write_text("a\nb\nc\nd\n")
    Path("c.yaml").write_text(FILE)


def _of_file() -> LoadedConfig:
    Path("c.yaml").write_text(FILE + "num_prompts: 8\n")
    return load("c.yaml", env={})


def _of_base() -> LoadedConfig:
    Path("base.yaml").write_text("num_prompts: 8\n")
    Path("c.yaml").write_text(FILE + "_extends: base.yaml\n")
    return load("c.yaml", env={})


def _of_user() -> LoadedConfig:
    Path(".lem-config.yaml").write_text("defaults:\n  num_prompts: 8\n")
    return load("c.yaml", env={})


GIVEN: dict[str, tuple[Callable[[], LoadedConfig], str]] = {
    "preset": (lambda: load("c.yaml", preset="quick-test", env={}), "preset quick-test"),
    "variable": (
        lambda: load("c.yaml", env={"LEM_NUM_PROMPTS": "8"}),
        "the environment variable LEM_NUM_PROMPTS",
    ),
    "set": (lambda: load("c.yaml", sets=["num_prompts=8"], env={}), "the command line"),
    "option": (lambda: load("c.yaml", {"num_prompts": 8}, env={}), "the command line"),
    "user": (_of_user, ".lem-config.yaml:2"),
    "base": (_of_base, "base.yaml:1"),
    "file": (_of_file, ""),
}


@pytest.mark.parametrize(("given", "origin"), GIVEN.values(), ids=GIVEN)
def test_too_many_prompts_say_who_asked_for_them(
    given: Callable[[], LoadedConfig], origin: str, tmp_path: Path
) -> None:
    with pytest.raises(PromptSourceError, match="num_prompts is 8, but") as caught:
        plan(given(), RunOptions(tmp_path, tmp_path))
    told = f" (num_prompts is from {origin})"
    assert str(caught.value) == caught.value.message
    assert caught.value.message.endswith(told if origin else "four.txt holds 4 prompts")
    assert "to null" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("content", "sets", "preset", "message"),
    [
        ("min_output_tokens: 300", (), None, "(max_output_tokens is the default)"),
        ("min_output_tokens: 300", (), "quick-test", "(max_output_tokens is from preset quick-"),
        (
            "max_output_tokens: 3",
            ("min_output_tokens=4",),
            None,
            "command line: min_output_tokens: min_output_tokens (4) is above max_output_tokens (3) "
            "(max_output_tokens is from c.yaml:6)",
        ),
        ("warmup: {min_prompts: 90}", (), None, "max_prompts is the default"),
        ("warmup: {min_prompts: 200}", (), "benchmark", "preset benchmark: warmup.max_prompts: "),
        ("warmup: {min_prompts: 200}", (), "benchmark", "(min_prompts is from c.yaml:6)"),
    ],
)
def test_a_rule_over_several_keys_says_where_the_others_come_from(
    content: str, sets: tuple[str, ...], preset: str | None, message: str
) -> None:
    Path("c.yaml").write_text(f"{FILE}{content}\n")
    with pytest.raises(InvalidConfigError) as caught:
        load("c.yaml", sets=sets, preset=preset, env={})
    assert message in str(caught.value)


def test_what_the_file_itself_says_is_not_told_again() -> None:
    Path("c.yaml").write_text(FILE + "max_output_tokens: 3\nmin_output_tokens: 4\n")
    with pytest.raises(InvalidConfigError) as caught:
        load("c.yaml", env={})
    assert str(caught.value).endswith("is above max_output_tokens (3)")


def test_a_config_of_python_has_no_origins() -> None:
    loaded = from_mapping({"config_name": "a", "model_name": "m", "seed": 1})
    assert loaded.origins_in("seed 1") == {}
    assert LoadedConfig(loaded.config).origins_in("max_output_tokens is 128") == {}


def test_paths_and_options_are_no_keys() -> None:
    text = "--seed /data/seed/dtype.txt seed-1 decoder.top_k: no_such seed."
    assert find_keys(text) == ["decoder.top_k", "no_such", "seed"]


@pytest.mark.parametrize(
    ("call", "origin"),
    [
        (lambda bad: results_dir(option=bad, env={}), "--results-dir"),
        (lambda bad: results_dir(config=bad, env={}), "io.results_dir of the config"),
        (
            lambda bad: results_dir(env={"LLM_ENERGY_RESULTS_DIR": bad}),
            "environment variable LLM_ENERGY_RESULTS_DIR",
        ),
        (lambda bad: results_dir(user=bad, env={}), "results_dir of the user file"),
        (
            lambda bad: state_dir({"LLM_ENERGY_STATE_DIR": bad}),
            "environment variable LLM_ENERGY_STATE_DIR",
        ),
    ],
)
def test_a_folder_that_can_be_none_is_said_with_its_origin(
    call: Callable[[str], Path], origin: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        call("~nobody-of-that-name/x")
    assert f"({origin}) can be no path" in str(caught.value)
