"""An unknown key is answered with the keys that it may mean, three at most."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llenergymeasure.config.annotations import all_keys
from llenergymeasure.config.loader import load
from llenergymeasure.config.models import config_model
from llenergymeasure.config.old_keys.renamed import ALIASES
from llenergymeasure.config.problems.nearest_keys import MOST, nearest_keys, suggest_keys
from llenergymeasure.config.problems.report import InvalidConfigError, join_dotted

GOOD = "config_name: a\nmodel_name: m\n"
KEYS = all_keys(config_model("pytorch"))
NESTED = [key for key in KEYS if "." in key]

MEANT = [
    *((name, "pytorch.batch_size") for name in ("batch_size", "batch-size", "batchSize", "bs")),
    *((name, "pytorch.batch_size") for name in ("BATCH_SIZE", "batchsize", "batch_sise")),
    *[("temperature", "decoder.temperature"), ("temp", "decoder.temperature")],
    *[("topK", "decoder.top_k"), ("max_new_tokens", "max_output_tokens")],
    *[("precision", "dtype"), ("num_promts", "num_prompts"), ("numPrompts", "num_prompts")],
    *[("pytorch.batchSize", "pytorch.batch_size"), ("pytorh.batch_size", "pytorch")],
    *[("prompts.batch_size", "pytorch.batch_size"), ("decoder.seed", "seed")],
    *[("interval_ms", "energy.nvml.interval_ms"), ("dcoder.top_k", "decoder")],
]


@pytest.mark.parametrize(("given", "meant"), MEANT)
def test_what_is_meant_is_among_the_suggestions_wherever_it_was_written(
    given: str, meant: str, tmp_path: Path
) -> None:
    file = tmp_path / "c.yaml"
    section, _, last = given.rpartition(".")
    for content, sets in (
        (GOOD, [f"{given}=4"]),
        (GOOD + (f"{section}: {{{last}: 4}}\n" if section else f"{last}: 4\n"), []),
    ):
        file.write_text(content)
        with pytest.raises(InvalidConfigError) as caught:
            load(file, sets=sets, env={})
        (problem,) = caught.value.problems
        named = re.findall(r"'([\w.]+)'", problem.message)
        where = problem.key.rpartition(".")[0]
        assert meant in [name if name in KEYS else f"{where}.{name}" for name in named]
        assert len(named) <= MOST


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("LEM_BATCH_SIZE", "LEM_PYTORCH__BATCH_SIZE"),
        ("LEM_BATCHSIZE", "LEM_PYTORCH__BATCH_SIZE"),
        ("LEM_DECODR__TOP_K", "LEM_DECODER__TOP_K"),
        ("LEM_TEMPERATURE", "LEM_DECODER__TEMPERATURE"),
        ("LEM_SEEED", "LEM_SEED"),
        ("LEM_POWERCAP_ROT", "LEM_POWERCAP_ROOT"),
    ],
)
def test_a_variable_is_answered_with_variables(name: str, meant: str, tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(GOOD)
    (warning,) = load(file, env={name: "4"}).warnings
    assert f"did you mean {meant}?" in warning.message


@pytest.mark.parametrize("key", NESTED)
def test_the_last_part_of_any_key_finds_it(key: str) -> None:
    last = key.rpartition(".")[2]
    if last in KEYS:
        return
    twins = [other for other in NESTED if other.rpartition(".")[2] == last]
    found = nearest_keys(last, "", KEYS)
    assert set(found) <= set(twins) if len(twins) > MOST else key in found


@pytest.mark.parametrize("old", [join_dotted(path) for path in ALIASES])
def test_old_names_work_in_every_source(old: str, tmp_path: Path) -> None:
    new = join_dotted(ALIASES[tuple(old.split("."))])
    value = "float16" if new == "dtype" else "77"
    file = tmp_path / "c.yaml"
    file.write_text(GOOD)
    variable = "LEM_" + old.upper().replace(".", "__")
    for loaded in (
        load(file, sets=[f"{old}={value}"], env={}),
        load(file, env={variable: value}),
    ):
        assert new in loaded.provenance
        assert [warning.code for warning in loaded.warnings] == ["renamed"]


def test_what_is_like_nothing_gets_no_list_of_two_dozen_names(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(GOOD)
    with pytest.raises(InvalidConfigError, match="'lem config schema' prints them all"):
        load(file, sets=["zzz=4"], env={})
    with pytest.raises(InvalidConfigError, match="valid keys here: do_sample, preset, "):
        load(file, sets=["decoder.zzz=4"], env={})
    with pytest.raises(InvalidConfigError, match=r"pytorch\.load_in_4bit: not supported"):
        load(file, sets=["load_in_4bit=true"], env={})


def test_suggestions_read_like_a_sentence() -> None:
    keys = ["a.step_ms", "b.step_ms", "c.step_ms", "d.step_ms"]
    assert suggest_keys("step_ms", "", keys[:1]) == "; did you mean 'a.step_ms'?"
    words = "; did you mean 'a.step_ms', 'b.step_ms' or 'c.step_ms'?"
    assert suggest_keys("step_ms", "", keys) == words
    assert suggest_keys("zzz", "", keys) == ""
