"""What the short names mean; the hub is a folder here, and itself in tests/integration."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llenergymeasure.config.prompt_models import PromptsConfig
from llenergymeasure.core import dataset_loader
from llenergymeasure.core.dataset_loader import load_dataset_prompts
from llenergymeasure.core.hub import HubModel
from llenergymeasure.core.prompt_sources.known_datasets import KNOWN_DATASETS, find_known_dataset
from llenergymeasure.exceptions import PromptSourceError

MMLU_CARD = """---
configs:
- config_name: abstract_algebra
  data_files: [{split: test, path: abstract_algebra/test-*}]
- config_name: all
  data_files: [{split: test, path: all/test-*}, {split: dev, path: all/dev-*}]
---
"""


class FakeHub:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[tuple[str, str | None, tuple[str, ...]]] = []

    def __call__(self, dataset_id, revision, patterns) -> HubModel:
        self.asked.append((dataset_id, revision, tuple(patterns)))
        return HubModel(self.folder, "c" * 40)

    def write(self, name: str, *records: dict) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".json"):
            path.write_text(json.dumps(records))
        else:
            path.write_text("".join(json.dumps(record) + "\n" for record in records))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "hub").mkdir()
    fake = FakeHub(tmp_path / "hub")
    monkeypatch.setattr(dataset_loader, "resolve_hub_dataset", fake)
    return fake


def load(name: str | None, **section):
    config = PromptsConfig(type="huggingface", dataset=name, **section)
    return load_dataset_prompts(config, None, base_dir=None)


@pytest.mark.parametrize("name", [None, "ai-energy-score", "ai_energy_score"])
def test_the_default_dataset_and_its_spellings(hub: FakeHub, name: str | None) -> None:
    hub.write("train.jsonl", {"text": "x", "prompt": "not this"})
    found = load(name)
    assert (found.prompts, found.column) == (["x"], "text")
    assert found.source == "huggingface:AIEnergyScore/text_generation"
    assert found.revision == "c" * 40


def test_of_sharegpt_the_first_human_turns_are_taken(hub: FakeHub) -> None:
    def turns(*values: str) -> list[dict]:
        return [
            {"from": speaker, "value": value}
            for speaker, value in zip(("gpt", "human", "gpt", "human"), values, strict=False)
        ]

    name = "ShareGPT_V3_unfiltered_cleaned_split.json"
    hub.write(
        name,
        {"id": "1", "conversations": turns("hello", "first", "answer", "second")},
        {"id": "2", "conversations": turns("nobody asked")},
        {"id": "3", "conversations": turns("", "other")},
    )
    found = load("sharegpt")
    assert (found.prompts, found.dropped, found.rows) == (
        ["first", "other"],
        {"chat without a question": 1},
        3,
    )
    assert hub.asked == [("anon8231489123/ShareGPT_Vicuna_unfiltered", None, (name,))]
    with pytest.raises(PromptSourceError, match="has no subsets"):
        load("sharegpt", subset="x")
    with pytest.raises(PromptSourceError, match="has no split 'test'"):
        load("sharegpt", split="test")


def test_mmlu_means_all_subjects_of_the_test_split(hub: FakeHub) -> None:
    (hub.folder / "README.md").write_text(MMLU_CARD)
    hub.write("all/test-0.jsonl", {"question": "q", "choices": ["a", "b"]})
    hub.write("all/dev-0.jsonl", {"question": "d", "choices": ["a", "b"]})
    hub.write("abstract_algebra/test-0.jsonl", {"question": "x", "choices": ["a", "b"]})
    assert load("mmlu").prompts == ["q"]
    # The card is asked for first; the files then by the commit that the card is of.
    assert hub.asked == [
        ("cais/mmlu", None, ("README.md",)),
        ("cais/mmlu", "c" * 40, ("README.md", "all/test-*", "all/dev-*")),
    ]
    assert load("mmlu", split="dev").prompts == ["d"]
    assert load("mmlu", subset="abstract_algebra").prompts == ["x"]


def test_a_given_column_wins_over_the_known_one(hub: FakeHub) -> None:
    hub.write("train.jsonl", {"instruction": "i", "output": "o"})
    assert load("alpaca").prompts == ["i"]
    assert load("alpaca", column="output").prompts == ["o"]


def test_a_short_name_is_never_a_folder_that_happens_to_be_here(
    hub: FakeHub, tmp_path: Path
) -> None:
    (tmp_path / "alpaca").mkdir()
    (tmp_path / "alpaca" / "train.csv").write_text("text\nlocal\n")
    hub.write("train.jsonl", {"instruction": "of the hub"})
    assert load("alpaca").prompts == ["of the hub"]
    assert load("./alpaca").prompts == ["local"]


def test_several_subsets_without_a_default_must_be_chosen_from(hub: FakeHub) -> None:
    (hub.folder / "README.md").write_text(MMLU_CARD)
    with pytest.raises(PromptSourceError) as caught:
        load("owner/name")
    assert "2 subsets" in caught.value.message
    assert "abstract_algebra, all" in (caught.value.hint or "")


@pytest.mark.parametrize("card", ["---\nconfigs: [5]\n---\n", "---\nconfigs: {a: [\n---\n"])
def test_a_broken_card_is_said(hub: FakeHub, card: str) -> None:
    (hub.folder / "README.md").write_text(card)
    with pytest.raises(PromptSourceError, match="cannot be understood"):
        load("owner/name")


def test_every_short_name_is_complete() -> None:
    for name, known in KNOWN_DATASETS.items():
        assert find_known_dataset(name) is find_known_dataset(name.replace("-", "_")) is known
        assert known.hub_id.count("/") == 1
        assert known.description.endswith(".")
    assert find_known_dataset("owner/alpaca") is None
