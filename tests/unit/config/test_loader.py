from __future__ import annotations

import json
from pathlib import Path

import pytest

from llenergymeasure.config.loader import from_mapping, load, load_config
from llenergymeasure.config.problems.report import InvalidConfigError

GOOD = "config_name: a\nmodel_name: builtin:tiny-llama\n"


def write(tmp_path: Path, text: str, name: str = "config.yaml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def problems(path: Path) -> list[str]:
    with pytest.raises(InvalidConfigError) as caught:
        load(path)
    return [str(problem).replace(f"{path}", path.name) for problem in caught.value.problems]


def test_a_minimal_config_has_the_defaults(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, GOOD))
    assert config.backend == "pytorch"
    assert config.backend_options.model_dump() == {"batch_size": 1}
    assert config.num_prompts is None
    assert not config.decoder.greedy


def test_json_is_read_like_yaml(tmp_path: Path) -> None:
    text = json.dumps({"config_name": "a", "model_name": "m", "pytorch": {"batch_size": 8}})
    config = load_config(write(tmp_path, text, "config.json"))
    assert config.backend_options.model_dump() == {"batch_size": 8}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("num_promts: 3", "config.yaml:3: num_promts: unknown key; did you mean 'num_prompts'?"),
        ("num_prompts: 0", "config.yaml:3: num_prompts: found 0, must be at least 1"),
        ("num_prompts: yes", "config.yaml:3: num_prompts: found 'yes', must be a whole number"),
        ("num_prompts: true", "config.yaml:3: num_prompts: found true, must be a whole number"),
        ("num_prompts: '3'", "config.yaml:3: num_prompts: found '3', must be a whole number"),
        ("num_cycles: 1.5", "config.yaml:3: num_cycles: found 1.5, must be a whole number"),
        (
            "pytorch: {batchsize: 8}",
            "config.yaml:3: pytorch.batchsize: unknown key; did you mean 'batch_size'?",
        ),
        (
            "decoder:\n  temperature: 3",
            "config.yaml:4: decoder.temperature: found 3, must be at most 2",
        ),
        (
            "decoder: {temperature: .nan}",
            "config.yaml:3: decoder.temperature: found nan, must be a finite number",
        ),
        (
            "echo: {batch_size: 2}",
            "config.yaml:3: echo: options of backend 'echo', but this config uses 'pytorch'; "
            "remove the section or set 'backend: echo'",
        ),
        (
            "backend: pytorh",
            "config.yaml:3: backend: there is no backend 'pytorh'; did you mean 'pytorch'? "
            "(known: echo, pytorch)",
        ),
        (
            "energy: {backend: replay}",
            "config.yaml:3: energy.replay: required, but not given",
        ),
        (
            "energy: {backend: none, codecarbon: {}}",
            "config.yaml:3: energy.codecarbon: options of energy backend 'codecarbon', but this "
            "config uses 'none'; remove the section or set 'energy.backend: codecarbon'",
        ),
        (
            "max_output_tokens: 4\nmin_output_tokens: 5",
            "config.yaml:4: min_output_tokens: min_output_tokens (5) is above "
            "max_output_tokens (4)",
        ),
        (
            "prompts: {type: file}",
            "config.yaml:3: prompts.type: type 'file' needs a 'path'",
        ),
        ("dtype: float23", "float32"),
        ("seed: -1", "config.yaml:3: seed: found -1, must be at least 0"),
        ("decoder: [1]", "config.yaml:3: decoder: found a list, must be a mapping"),
        ("model_name: other", "config.yaml:3: model_name: given twice, first in line 2"),
        ("a: [1", "config.yaml:"),
        ("seed: !!python/object/apply:os.system [id]", "config.yaml:3: seed: the tag"),
        ("1: 2", "config.yaml:3: keys are text, found '1'"),
    ],
)
def test_each_mistake_is_named_at_its_line(tmp_path: Path, line: str, expected: str) -> None:
    found = problems(write(tmp_path, GOOD + line + "\n"))
    assert len(found) == 1
    assert expected in found[0]


def test_all_mistakes_are_told_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    found = problems(write(tmp_path, "config_name: ''\nmodle_name: x\nseed: a\nbackend: nope\n"))
    assert [line.split(": ")[0] for line in found] == [
        "config.yaml",
        "config.yaml:1",
        "config.yaml:2",
        "config.yaml:3",
        "config.yaml:4",
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "the file is empty"),
        (b"# only a comment\n", "the file is empty"),
        (b"- a\n", "a config is a mapping"),
        (b"just text", "a config is a mapping"),
        (b"\xff\xfe\x00\x01", "not a text file"),
        (b"a: b\x00c", "not a text file"),
        (b"a: 1\n---\nb: 2\n", "not valid YAML"),
        (b"x" * 1_048_577, "larger than 1 MiB"),
        (b"a: &x [*x]\n", "too large or too deep"),
        (
            b"a: &a [1,1,1,1,1,1,1,1,1,1]\n"
            + b"".join(
                b"%c: &%c [%s]\n" % (c, c, b",".join([b"*%c" % (c - 1)] * 10)) for c in b"bcdefghi"
            ),
            "too large or too deep",
        ),
    ],
)
def test_what_is_no_config_is_refused(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    found = problems(path)
    assert len(found) == 1
    assert expected in found[0]


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert "there is no such file" in problems(tmp_path / "nowhere.yaml")[0]
    assert "this is a folder" in problems(tmp_path)[0]


def test_overrides_win_and_every_value_has_an_origin(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + "num_cycles: 2\ndecoder:\n  top_k: 5\n")
    loaded = load(path, {"num_cycles": 3, "decoder.top_p": 0.5})
    assert loaded.config.num_cycles == 3
    assert (loaded.config.decoder.top_k, loaded.config.decoder.top_p) == (5, 0.5)
    assert loaded.provenance["num_cycles"] == {"source": "cli", "place": "command line"}
    assert loaded.provenance["decoder.top_k"] == {"source": "file", "place": f"{path}:5"}
    assert loaded.base_dir == tmp_path


def test_a_preset_fills_in_and_explicit_values_win() -> None:
    data = {"config_name": "a", "model_name": "m"}
    creative = from_mapping({**data, "decoder": {"preset": "creative", "top_p": 0.5}}).config
    assert creative.decoder.temperature == 0.8
    assert creative.decoder.top_p == 0.5
    assert creative.decoder.repetition_penalty == 1.1
    assert from_mapping({**data, "decoder": {"preset": "deterministic"}}).config.decoder.greedy
    assert from_mapping({**data, "decoder": {"temperature": 0}}).config.decoder.greedy


def test_merge_keys_and_anchors_work(tmp_path: Path) -> None:
    text = GOOD + "energy: {backend: replay, replay: &r {curve: {power_w: 5}}}\n"
    text += "decoder:\n  <<: {top_k: 3, top_p: 0.5}\n  top_k: 4\n"
    decoder = load_config(write(tmp_path, text)).decoder
    assert (decoder.top_k, decoder.top_p) == (4, 0.5)


def test_a_config_survives_its_own_json(tmp_path: Path) -> None:
    text = GOOD + "backend: echo\necho: {output_tokens: [3, 4], fail_requests: [1]}\n"
    config = load_config(write(tmp_path, text))
    again = type(config).model_validate(json.loads(config.model_dump_json()))
    assert again == config


def test_a_mapping_of_python_is_validated_the_same_way() -> None:
    with pytest.raises(InvalidConfigError, match="config: num_promts: unknown key"):
        from_mapping({"config_name": "a", "model_name": "m", "num_promts": 1})
