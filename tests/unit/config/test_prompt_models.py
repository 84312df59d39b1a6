from __future__ import annotations

import pytest

from llenergymeasure.config.loader import from_mapping, load
from llenergymeasure.config.problems.report import InvalidConfigError

BASE = {"config_name": "c", "model_name": "builtin:tiny-llama"}


def config(**keys):
    return from_mapping({**BASE, **keys}).config


def refusal(**keys) -> list[str]:
    with pytest.raises(InvalidConfigError) as caught:
        from_mapping({**BASE, **keys})
    return [f"{problem.key}: {problem.message}" for problem in caught.value.problems]


def synthetic(length, **more):
    return {"type": "synthetic", "input_len": length, **more}


class TestDataset:
    def test_the_simple_form_is_a_prompts_section(self) -> None:
        simple = {"name": "alpaca", "sample_size": 5, "split": "test", "column": "output"}
        loaded = from_mapping({**BASE, "dataset": simple})
        prompts = loaded.config.prompts
        assert (prompts.type, prompts.dataset) == ("huggingface", "alpaca")
        assert (prompts.sample_size, prompts.split, prompts.column) == (5, "test", "output")
        assert [(w.code, w.severity, w.key) for w in loaded.warnings] == [
            ("renamed", "info", "dataset")
        ]
        assert from_mapping({**BASE, "dataset": "alpaca"}).config.prompts.dataset == "alpaca"

    def test_the_old_spelling_loads_as_it_is(self) -> None:
        old = {"type": "huggingface", "dataset": "gsm8k", "split": "train", "subset": "main"}
        loaded = from_mapping({**BASE, "prompts": {**old, "shuffle": True, "seed": 7}})
        assert loaded.warnings == ()
        assert loaded.config.prompts.random_seed == 7

    def test_the_default_dataset_and_seed(self) -> None:
        prompts = config(prompts={"type": "huggingface"}).prompts
        assert (prompts.dataset_name, prompts.random_seed) == ("ai-energy-score", 42)

    def test_a_place_in_a_file_is_kept(self, tmp_path) -> None:
        path = tmp_path / "c.yaml"
        path.write_text("config_name: c\nmodel_name: m\ndataset:\n  name: x\n  splt: y\n")
        with pytest.raises(InvalidConfigError, match=r"c\.yaml:5: prompts\.splt: .*'split'"):
            load(path, env={})

    def test_both_are_an_error(self) -> None:
        (said,) = refusal(dataset={"name": "x"}, prompts={"type": "builtin"})
        assert said.startswith("dataset: another way to write 'prompts'")

    @pytest.mark.parametrize("given", [5, ["a"], True])
    def test_it_is_a_name_or_a_mapping(self, given) -> None:
        assert "must be a name or a mapping" in refusal(dataset=given)[0]

    @pytest.mark.parametrize("subset", ["../x", "a/b", "..", ".hidden", "a\\b", "a\0b"])
    def test_a_hostile_subset_is_refused(self, subset: str) -> None:
        (said,) = refusal(prompts={"type": "huggingface", "subset": subset})
        assert "cannot be the name of a subset" in said

    @pytest.mark.parametrize("split", ["train[:10]", "train+test", "../x", "a/b"])
    def test_a_split_is_one_name(self, split: str) -> None:
        (said,) = refusal(prompts={"type": "huggingface", "split": split})
        assert "must be the name of one split" in said

    def test_more_prompts_than_the_sample_are_refused(self) -> None:
        section = {"type": "huggingface", "sample_size": 3}
        assert "above prompts.sample_size (3)" in refusal(prompts=section, num_prompts=4)[0]


class TestKeysOfATypes:
    @pytest.mark.parametrize(
        ("kind", "key", "value"),
        [
            ("builtin", "path", "p.txt"),
            ("builtin", "column", "text"),
            ("builtin", "seed", 3),
            ("builtin", "shuffle", True),
            ("file", "dataset", "x"),
            ("huggingface", "path", "x"),
            ("huggingface", "input_len", 5),
            ("synthetic", "split", "train"),
            ("synthetic", "sample_size", 3),
        ],
    )
    def test_a_key_of_another_type_is_refused(self, kind, key, value) -> None:
        needed = {"file": {"path": "p"}, "synthetic": {"input_len": 4}}.get(kind, {})
        (said,) = refusal(prompts={"type": kind, **needed, key: value}, num_prompts=1)
        assert said.startswith(f"prompts.{key}: '{key}' needs type")


class TestLengths:
    @pytest.mark.parametrize(
        ("given", "low", "high"),
        [
            (128, 128, 128),
            ({"min": 3, "max": 9}, 3, 9),
            ({"mean": 5, "std": 2.5, "min": 1, "max": 9}, 1, 9),
        ],
    )
    def test_every_form(self, given, low, high) -> None:
        length = config(prompts=synthetic(given), num_prompts=2).prompts.input_len
        assert (length.min, length.max) == (low, high)

    def test_isl_and_osl_are_old_names(self) -> None:
        section = {"type": "synthetic", "isl": 8, "osl": 4}
        loaded = from_mapping({**BASE, "prompts": section, "num_prompts": 1})
        assert loaded.config.prompts.input_len.max == 8
        assert loaded.config.prompts.output_len.max == 4
        assert [w.key for w in loaded.warnings] == ["prompts.isl", "prompts.osl"]
        both = {**section, "input_len": 8}
        assert refusal(prompts=both, num_prompts=1)[0].startswith("prompts.isl: another way")

    def test_the_bounds_reach_to_the_longest(self) -> None:
        section = synthetic({"min": 4, "max": 3000}, output_len=900)
        made = config(prompts=section, num_prompts=1)
        assert (made.max_input_tokens, made.max_output_tokens) == (3000, 900)
        # As the measuring process reads it back.
        again = type(made).model_validate(made.model_dump(mode="json"))
        assert again == made

    @pytest.mark.parametrize(
        ("keys", "said"),
        [
            ({"prompts": synthetic(5)}, "need 'num_prompts'"),
            ({"prompts": {"type": "synthetic"}}, "needs an 'input_len'"),
            ({"prompts": synthetic(0)}, "found 0, must be at least 1"),
            ({"prompts": synthetic("x")}, "found 'x', must be a whole number, {min, max}"),
            ({"prompts": synthetic(True)}, "found True, must be a whole number"),
            ({"prompts": synthetic({"min": 5, "max": 4})}, "'min' (5) is above 'max' (4)"),
            ({"prompts": synthetic({"mean": 5})}, "required, but not given"),
            ({"prompts": synthetic({"min": 1, "max": 4, "mean": 3})}, "belong together"),
            (
                {"prompts": synthetic({"min": 1, "max": 4, "mean": 9, "std": 1})},
                "'mean' (9) is not within 1 to 4",
            ),
            (
                {"prompts": synthetic(600), "num_prompts": 1, "max_input_tokens": 512},
                "prompts.input_len (up to 600) is above 'max_input_tokens' (512)",
            ),
            (
                {"prompts": synthetic(6, output_len=9), "num_prompts": 1, "max_output_tokens": 8},
                "prompts.output_len (up to 9) is above 'max_output_tokens' (8)",
            ),
            (
                {"prompts": synthetic(6, output_len=9), "num_prompts": 1, "min_output_tokens": 10},
                "min_output_tokens",
            ),
        ],
    )
    def test_what_is_wrong_is_said(self, keys, said) -> None:
        assert any(said in line for line in refusal(**keys)), refusal(**keys)
