"""Datasets that have a short name here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class KnownDataset:
    """What a short name stands for.

    Attributes:
        hub_id: Its id on the hub.
        column: Column of the prompts.
        description: One line for people.
        subset: The subset that is meant; None where there is only one.
        split: The split that is meant.
        files: The files that count, where its repository does not say so itself.
        first_turn: Whether only the first human turn of a chat is the prompt.
    """

    hub_id: str
    column: str
    description: str
    subset: str | None = None
    split: str = "train"
    files: tuple[str, ...] = ()
    first_turn: bool = False


KNOWN_DATASETS: Final[dict[str, KnownDataset]] = {
    "ai-energy-score": KnownDataset(
        "AIEnergyScore/text_generation", "text", "1000 texts of the AI Energy Score benchmark."
    ),
    "alpaca": KnownDataset("tatsu-lab/alpaca", "instruction", "52k short instructions."),
    "sharegpt": KnownDataset(
        "anon8231489123/ShareGPT_Vicuna_unfiltered",
        "conversations",
        "First human turns of ShareGPT conversations.",
        files=("ShareGPT_V3_unfiltered_cleaned_split.json",),
        first_turn=True,
    ),
    "gsm8k": KnownDataset("openai/gsm8k", "question", "Grade school arithmetic.", subset="main"),
    "mmlu": KnownDataset(
        "cais/mmlu", "question", "Exam questions of 57 subjects.", subset="all", split="test"
    ),
}


def find_known_dataset(name: str) -> KnownDataset | None:
    """The dataset of a short name (``-`` and ``_`` are the same); None for any other name."""
    return KNOWN_DATASETS.get(name.replace("_", "-"))
