"""Named starting points. Each is a partial config that lies under the user's file."""

from __future__ import annotations

from typing import Any, Final

from llenergymeasure.config.problems.nearest import did_you_mean
from llenergymeasure.config.problems.report import InvalidConfigError, Place, Problem
from llenergymeasure.config.sources.yaml_file import Document

PRESET_KEY: Final = "preset"

_GREEDY: Final = {"preset": "deterministic"}

# name -> (what it is for, values)
PRESETS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "quick-test": (
        "a minute or less: does it run at all?",
        {
            "num_prompts": 8,
            "max_input_tokens": 128,
            "max_output_tokens": 32,
            "decoder": _GREEDY,
            "warmup": {"prompts": 2},
            "baseline": {"enabled": False},
        },
    ),
    "benchmark": (
        "numbers for a paper: greedy, five cycles of 10 s or more, a minute of idle power",
        {
            "max_input_tokens": 1024,
            "max_output_tokens": 128,
            "min_output_tokens": 128,
            "num_cycles": 5,
            "decoder": _GREEDY,
            "min_duration_s": 10.0,
            "warmup": {"max_prompts": 100, "max_duration_s": 300.0},
            "baseline": {"duration_s": 60.0},
        },
    ),
    "throughput": (
        "as many tokens a second as static batches give",
        {
            "backend": "pytorch",
            "max_input_tokens": 512,
            "max_output_tokens": 256,
            "decoder": _GREEDY,
            "pytorch": {"batch_size": 32},
        },
    ),
    "pytorch-optimized": (
        "faster PyTorch: batches of 16, in the checkpoint's own dtype on a GPU",
        {
            "backend": "pytorch",
            "dtype": "auto",
            "pytorch": {"batch_size": 16},
        },
    ),
    "pytorch-compatible": (
        "PyTorch on any machine: float32, one prompt at a time",
        {"backend": "pytorch", "dtype": "float32", "pytorch": {"batch_size": 1}},
    ),
}


def preset_document(name: object, place: Place) -> Document:
    """The values of a preset.

    Raises:
        InvalidConfigError: There is no preset of that name.
    """
    if not isinstance(name, str) or name not in PRESETS:
        found = name if isinstance(name, str) else str(name)
        known = ", ".join(PRESETS)
        message = f"there is no preset {found!r}{did_you_mean(found, PRESETS)} (known: {known})"
        raise InvalidConfigError([Problem(place, PRESET_KEY, message, "unknown_preset")])
    source = f"preset {name}"
    data = PRESETS[name][1]
    return Document(source, data, {path: Place(source) for path in _all_paths(data)})


def _all_paths(data: dict[str, Any], prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    paths = []
    for key, value in data.items():
        paths.append((*prefix, key))
        if isinstance(value, dict):
            paths += _all_paths(value, (*prefix, key))
    return paths
