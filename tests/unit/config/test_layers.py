"""Where values come from, and who wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from llenergymeasure.config.loader import from_mapping, load
from llenergymeasure.config.models import config_model
from llenergymeasure.config.presets import PRESETS
from llenergymeasure.config.problems.report import InvalidConfigError
from llenergymeasure.config.resolve import LoadedConfig


@pytest.fixture(autouse=True)
def _no_user_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home" / ".config"))


def write(folder: Path, text: str, name: str = "config.yaml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


GOOD = "config_name: a\nmodel_name: m\n"


def source_of(loaded: LoadedConfig, key: str) -> str:
    return loaded.provenance[key]["source"]


def test_the_order_of_precedence(tmp_path: Path) -> None:
    write(tmp_path, "defaults: {seed: 1, num_cycles: 2, max_input_tokens: 3}\n", ".lem-config.yaml")
    path = write(tmp_path, GOOD + "preset: benchmark\nseed: 4\nmin_output_tokens: 0\n")
    env = {"LEM_MAX_OUTPUT_TOKENS": "5", "LEM_NUM_PROMPTS": "6"}
    loaded = load(path, {"num_prompts": 7}, env=env)
    config = loaded.config
    assert (config.seed, source_of(loaded, "seed")) == (4, "file")
    assert (config.num_cycles, source_of(loaded, "num_cycles")) == (5, "preset")
    assert (config.max_output_tokens, source_of(loaded, "max_output_tokens")) == (5, "environment")
    assert (config.num_prompts, source_of(loaded, "num_prompts")) == (7, "cli")
    assert source_of(loaded, "max_input_tokens") == "preset"
    assert "dtype" not in loaded.provenance


def test_the_user_file_lies_under_everything(tmp_path: Path) -> None:
    write(tmp_path, "defaults:\n  seed: 1\n  dcoder: {}\n", ".lem-config.yaml")
    with pytest.raises(InvalidConfigError, match=r"\.lem-config\.yaml:3: dcoder: unknown key"):
        load(write(tmp_path, GOOD), env={})


def test_set_wins_and_is_typed_by_the_field(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + "pytorch: {batch_size: 2}\n")
    sets = ["pytorch.batch_size=8", "config_name=123", "decoder.top_p=0.5", "num_prompts=null"]
    config = load(path, sets=sets, env={}).config
    assert config.backend_options.model_dump() == {"batch_size": 8}
    assert (config.config_name, config.decoder.top_p, config.num_prompts) == ("123", 0.5, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pytorch.batchsize=8", "pytorch.batchsize: unknown key; did you mean 'batch_size'"),
        ("seed", "found 'seed', must be key=value"),
        ("=1", "must be key=value"),
        ("seed.=1", "must be key=value"),
        ("seed=x", "seed: found 'x', must be a whole number"),
        ("decoder=5", "decoder: found 5, must be a mapping"),
    ],
)
def test_a_wrong_set_is_told_as_of_the_command_line(
    tmp_path: Path, text: str, expected: str
) -> None:
    with pytest.raises(InvalidConfigError, match="command line: ") as caught:
        load(write(tmp_path, GOOD), sets=[text], env={})
    assert expected in str(caught.value)


def test_a_value_and_keys_below_it_cannot_both_be_set(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfigError, match="a value and keys of its own"):
        load(write(tmp_path, GOOD), sets=["decoder=1", "decoder.top_k=2"], env={})


def test_the_backend_of_the_environment_types_the_rest(tmp_path: Path) -> None:
    env = {"LEM_BACKEND": "echo", "LEM_ECHO__LOAD_S": "1.5", "LEM_ENERGY__BACKEND": "none"}
    config = load(write(tmp_path, GOOD), env=env).config
    assert config.backend == "echo"
    assert config.backend_options.model_dump()["load_s"] == 1.5


def test_an_unknown_variable_is_warned_of(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, GOOD), env={"LEM_SEEED": "1", "LEM_POWERCAP_ROOT": "x"})
    (warning,) = loaded.warnings
    assert (warning.code, warning.severity) == ("unknown_variable", "warning")
    assert "LEM_SEED?" in str(warning)


def test_extends_merges_deeply_and_lists_apply_in_order(tmp_path: Path) -> None:
    write(tmp_path / "base", "decoder: {top_k: 1, top_p: 0.5}\nseed: 1\n", "a.yaml")
    write(tmp_path / "base", "_extends: a.yaml\ndecoder: {top_k: 2}\n", "b.yaml")
    write(tmp_path, "seed: 3\n", "c.yaml")
    path = write(tmp_path, GOOD + "_extends: [base/b.yaml, c.yaml]\nmax_output_tokens: 9\n")
    loaded = load(path, env={})
    config = loaded.config
    assert (config.decoder.top_k, config.decoder.top_p, config.seed) == (2, 0.5, 3)
    assert loaded.provenance["decoder.top_k"]["place"].endswith("b.yaml:2")
    assert loaded.provenance["decoder.top_p"]["place"].endswith("a.yaml:1")


def test_an_error_names_the_file_it_really_stands_in(tmp_path: Path) -> None:
    parent = write(tmp_path, "seed: 1\nnum_promts: 3\n", "parent.yaml")
    path = write(tmp_path, GOOD + "_extends: parent.yaml\nseed: x\n")
    with pytest.raises(InvalidConfigError) as caught:
        load(path, env={})
    assert [str(p.place) for p in caught.value.problems] == [f"{path}:4", f"{parent}:2"]


def test_a_circle_is_named(tmp_path: Path) -> None:
    write(tmp_path, "_extends: b.yaml\n", "a.yaml")
    write(tmp_path, "_extends: a.yaml\n", "b.yaml")
    path = write(tmp_path, GOOD + "_extends: a.yaml\n")
    with pytest.raises(InvalidConfigError, match=r"circle: a\.yaml -> b\.yaml -> a\.yaml"):
        load(path, env={})


@pytest.mark.parametrize("name", ["loop", "~nobody-of-that-name/x.yaml", "x" * 300, '"a\\0b"'])
def test_extends_of_what_can_be_no_path_is_told_with_its_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    path = write(tmp_path, GOOD + f"_extends: {name}\n")
    with pytest.raises(InvalidConfigError, match=r"config\.yaml:3: _extends: cannot look for"):
        load(path, env={})


@pytest.mark.parametrize("value", ["5", "[1]", "{a: b}", "''"])
def test_extends_must_be_paths(tmp_path: Path, value: str) -> None:
    with pytest.raises(InvalidConfigError, match="_extends: must be a path or a list of paths"):
        load(write(tmp_path, GOOD + f"_extends: {value}\n"), env={})


def test_a_missing_parent_is_told_at_the_line_that_names_it(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + "_extends:\n  - nowhere.yaml\n")
    with pytest.raises(InvalidConfigError, match=r"config\.yaml:4: _extends: extends .*nowhere"):
        load(path, env={})


def test_paths_start_from_the_file_that_names_them(tmp_path: Path) -> None:
    write(tmp_path / "base", "prompts: {type: file, path: p.txt}\n", "a.yaml")
    loaded = load(write(tmp_path, GOOD + "_extends: base/a.yaml\n"), env={})
    assert loaded.base_dir == (tmp_path / "base").resolve()


@pytest.mark.parametrize(
    ("old", "new", "value"),
    [
        ("fp_precision", "dtype", "float32"),
        ("random_seed", "seed", 3),
        ("num_input_prompts", "num_prompts", 3),
        ("num_samples", "num_prompts", 3),
        ("cycles", "num_cycles", 3),
    ],
)
def test_old_names_work_and_say_so(old: str, new: str, value: object) -> None:
    data = {"config_name": "a", "model_name": "m"}
    loaded = from_mapping({**data, old: value})
    assert getattr(loaded.config, new) == value
    assert [(w.key, w.code, w.severity) for w in loaded.warnings] == [(old, "renamed", "info")]
    with pytest.raises(InvalidConfigError, match=f"{old}: the old name of '{new}'"):
        from_mapping({**data, old: value, new: value})


@pytest.mark.parametrize(
    ("old", "new"), [("duration_sec", "duration_s"), ("cache_ttl_sec", "cache_ttl_s")]
)
def test_old_names_in_a_section_work_too(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"config_name: a\nmodel_name: m\nbaseline:\n  level: loaded\n  {old}: 70\n")
    loaded = load(path)
    assert getattr(loaded.config.baseline, new) == 70
    assert loaded.config.baseline.level == "loaded"
    assert loaded.provenance[f"baseline.{new}"]["place"] == f"{path}:5"
    (warning,) = loaded.warnings
    assert (warning.key, warning.code) == (f"baseline.{old}", "renamed")
    path.write_text(f"config_name: a\nmodel_name: m\nbaseline: {{{old}: 70, {new}: 80}}\n")
    with pytest.raises(InvalidConfigError, match=f"baseline.{old}: the old name of"):
        load(path)


def test_a_section_that_is_none_has_no_old_names() -> None:
    with pytest.raises(InvalidConfigError, match="baseline: found 3, must be a mapping"):
        from_mapping({"config_name": "a", "model_name": "m", "baseline": 3})


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_valid(name: str) -> None:
    data = {"config_name": "a", "model_name": "m", **PRESETS[name][1]}
    loaded = from_mapping(data)
    assert type(loaded.config) is config_model("pytorch")
    assert not loaded.warnings


def test_an_unknown_preset_is_told_with_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + "preset: benchmrk\n")
    with pytest.raises(InvalidConfigError, match=r"config\.yaml:3: preset: .*'benchmark'"):
        load(path, env={})


def test_a_preset_of_the_command_line_wins(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + "preset: benchmark\n")
    assert load(path, preset="quick-test", env={}).config.num_prompts == 8
