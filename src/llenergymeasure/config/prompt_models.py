"""The ``prompts`` section, and what it asks of the keys around it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

DEFAULT_DATASET: Final = "ai-energy-score"
DEFAULT_PROMPTS_SEED: Final = 42

# A name of a subset becomes a folder's name in a cache; that of a split, part of a file's.
_SUBSET = re.compile(r"\w[\w .+=,@()-]*")
_SPLIT = re.compile(r"\w+(\.\w+)*")

# Which types understand a key. Those of all types are not here.
_TYPES_OF: Final[dict[str, tuple[str, ...]]] = {
    "path": ("file",),
    "column": ("file", "huggingface"),
    "dataset": ("huggingface",),
    "delimiter": ("huggingface",),
    "subset": ("huggingface",),
    "split": ("huggingface",),
    "revision": ("huggingface",),
    "sample_size": ("huggingface",),
    "shuffle": ("huggingface",),
    "seed": ("huggingface", "synthetic"),
    "input_len": ("synthetic",),
    "output_len": ("synthetic",),
}

_LENGTH_FORMS = "a whole number, {min, max} or {mean, std, min, max}"


class Length(BaseModel):
    """A number of tokens: always the same, uniform from min to max, or normal and clipped."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    # One value to whoever documents parameters, not a section of keys.
    in_words: ClassVar[str] = "number or mapping"

    min: int = Field(ge=1, le=10_000_000, description="Least tokens; one number sets min and max.")
    max: int = Field(ge=1, le=10_000_000, description="Most tokens.")
    mean: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="Mean of a normal distribution."
    )
    std: float | None = Field(
        None, ge=0, allow_inf_nan=False, description="Its standard deviation; clipped to min, max."
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> Length:
        if self.min > self.max:
            raise ValueError(f"'min' ({self.min}) is above 'max' ({self.max})")
        if (self.mean is None) != (self.std is None):
            raise ValueError("'mean' and 'std' belong together")
        if self.mean is not None and not self.min <= self.mean <= self.max:
            raise ValueError(f"'mean' ({self.mean:g}) is not within {self.min} to {self.max}")
        return self


def _length(value: Any) -> Any:
    if type(value) is int:
        if value < 1:
            raise ValueError(f"found {value}, must be at least 1")
        return {"min": value, "max": value}
    if value is None or isinstance(value, Mapping | Length):
        return value
    raise ValueError(f"found {value!r}, must be {_LENGTH_FORMS}")


_LENGTH_SCHEMA: Final = {
    "anyOf": [
        {"type": "integer", "minimum": 1},
        Length.model_json_schema(),
        {"type": "null"},
    ],
    "default": None,
}
_LengthField = Annotated[Length | None, BeforeValidator(_length), WithJsonSchema(_LENGTH_SCHEMA)]


class PromptsConfig(BaseModel):
    """Where the prompts come from."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    type: Literal["builtin", "file", "huggingface", "synthetic"] = Field(
        "builtin", description="Kind of source."
    )
    path: str | None = Field(
        None,
        min_length=1,
        description="file: text with a prompt a line, or JSONL; relative to the config file, "
        "else to the working directory.",
    )
    column: str | None = Field(
        None,
        min_length=1,
        description="file, huggingface: column of texts or messages; null finds the usual names.",
    )
    dataset: str | None = Field(
        None,
        min_length=1,
        description="huggingface: short name (lem datasets), hub id, or a local folder or file; "
        "null is "
        f"{DEFAULT_DATASET}.",
    )
    delimiter: str | None = Field(
        None,
        min_length=1,
        max_length=1,
        description="huggingface: what separates values in CSV; null finds it.",
    )
    subset: str | None = Field(
        None,
        min_length=1,
        description="huggingface: subset; null is the default one.",
    )
    split: str | None = Field(
        None,
        min_length=1,
        description="huggingface: split; null is that of the short name, else train.",
    )
    revision: str | None = Field(
        None, min_length=1, description="huggingface: branch, tag or commit of the dataset."
    )
    sample_size: int | None = Field(
        None, ge=1, description="huggingface: number of rows; null takes all."
    )
    shuffle: bool = Field(False, description="huggingface: draw the rows in a random order.")
    seed: int | None = Field(
        None,
        ge=0,
        lt=2**32,
        description="huggingface, synthetic: seed of shuffling and drawing; null is "
        f"{DEFAULT_PROMPTS_SEED}.",
    )
    input_len: _LengthField = Field(
        None, description=f"synthetic: exact prompt tokens; {_LENGTH_FORMS}."
    )
    output_len: _LengthField = Field(
        None, description=f"synthetic: exact generated tokens; {_LENGTH_FORMS}."
    )

    @model_validator(mode="after")
    def _keys_fit_type(self) -> PromptsConfig:
        if self.type == "file" and self.path is None:
            raise ValueError("type 'file' needs a 'path'")
        if self.type == "synthetic" and self.input_len is None:
            raise ValueError("type 'synthetic' needs an 'input_len'")
        for key, types in _TYPES_OF.items():
            if getattr(self, key) not in (None, False) and self.type not in types:
                needed = " or ".join(repr(name) for name in types)
                raise ValueError(f"{key!r} needs type {needed}, but the type is {self.type!r}")
        return self

    @model_validator(mode="after")
    def _names_are_plain(self) -> PromptsConfig:
        if self.subset is not None and not _SUBSET.fullmatch(self.subset):
            raise ValueError(f"'subset' is {self.subset!r}, which cannot be the name of a subset")
        if self.split is not None and not _SPLIT.fullmatch(self.split):
            raise ValueError(
                f"'split' is {self.split!r}, must be the name of one split; "
                "sample_size and num_prompts take a part of it"
            )
        return self

    @property
    def dataset_name(self) -> str:
        """The dataset that is meant, as the user wrote it."""
        return self.dataset or DEFAULT_DATASET

    @property
    def random_seed(self) -> int:
        """The seed that counts."""
        return DEFAULT_PROMPTS_SEED if self.seed is None else self.seed


def with_synthetic_lengths(data: Any) -> Any:
    """A raw config whose token bounds reach to the longest synthetic prompt, if it has none."""
    if not isinstance(data, Mapping):
        return data
    try:
        prompts = PromptsConfig.model_validate(data.get("prompts", {}))
    except ValidationError:
        # Told with its place when the section itself is validated.
        return data
    longest = {"max_input_tokens": prompts.input_len, "max_output_tokens": prompts.output_len}
    return {**{key: length.max for key, length in longest.items() if length}, **data}


def check_prompts(
    prompts: PromptsConfig, num_prompts: int | None, limits: Mapping[str, int | None]
) -> None:
    """Hold the section against the keys around it.

    Args:
        prompts: The section.
        num_prompts: Of the experiment.
        limits: Its ``max_input_tokens``, ``max_output_tokens`` and ``min_output_tokens``.

    Raises:
        ValueError: They contradict each other; the text names the keys.
    """
    size = prompts.sample_size
    if size is not None and num_prompts is not None and num_prompts > size:
        raise ValueError(f"'num_prompts' ({num_prompts}) is above prompts.sample_size ({size})")
    if prompts.type == "synthetic" and num_prompts is None:
        raise ValueError("prompts of type 'synthetic' need 'num_prompts': how many to make")
    for key, length in (("input_len", prompts.input_len), ("output_len", prompts.output_len)):
        bound = f"max_{key.removesuffix('_len')}_tokens"
        most = limits[bound]
        if length is not None and most is not None and length.max > most:
            raise ValueError(f"prompts.{key} (up to {length.max}) is above {bound!r} ({most})")
    least = prompts.output_len
    if least is not None and least.min < (limits["min_output_tokens"] or 0):
        raise ValueError(
            f"prompts.output_len (from {least.min}) is below 'min_output_tokens' "
            f"({limits['min_output_tokens']})"
        )
