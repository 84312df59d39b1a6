"""What a valid config should still make its author think about. Nothing here blocks a run.

Codes are stable and listed in docs/configuration.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal

from llenergymeasure.config.models import DECODER_PRESETS, ExperimentConfig
from llenergymeasure.config.problems.report import ConfigWarning, Place
from llenergymeasure.config.registry import inference_backend

LONG_OUTPUT_TOKENS = 2048
Severity = Literal["warning", "info"]

# code -> (severity, what it means); a test holds the documentation to it.
WARNING_CODES: Final[dict[str, tuple[Severity, str]]] = {
    "renamed": ("info", "an old name was used; it works, the message has the new one"),
    "schema_version": ("warning", "the config says a schema version that is not known"),
    "unknown_variable": ("warning", "a LEM_ variable is no config key and is ignored"),
    "sampling_ignored": ("warning", "sampling values are given, but decoding is greedy"),
    "temperature_and_top_p": ("info", "both are changed; most papers change one of them"),
    "long_output": ("info", "more than 2048 output tokens a request take long"),
    "no_effect": ("warning", "the chosen backend does not use that key"),
}

_SAMPLING = ("decoder.temperature", "decoder.top_k", "decoder.top_p")

Origins = Mapping[str, Mapping[str, str]]


def warnings_of(config: ExperimentConfig, provenance: Origins) -> list[ConfigWarning]:
    """Everything worth a word, in the order of the checks.

    Args:
        config: A valid config.
        provenance: Origin of each value that was given, by dotted key.
    """
    return [
        *_find_ignored_sampling(config, provenance),
        *_both_changed(config, provenance),
        *_long(config, provenance),
        *_without_effect(config, provenance),
    ]


def _warning(code: str, key: str, message: str, provenance: Origins) -> ConfigWarning:
    place = Place(provenance.get(key, {}).get("place", "default"))
    return ConfigWarning(place, key, message, code, WARNING_CODES[code][0])


def _find_ignored_sampling(
    config: ExperimentConfig, provenance: Origins
) -> Iterator[ConfigWarning]:
    if not config.decoder.greedy:
        return
    for key in _SAMPLING:
        off = key == "decoder.temperature" and config.decoder.temperature == 0
        if key in provenance and not off:
            message = "has no effect: decoding is greedy (do_sample false or temperature 0)"
            yield _warning("sampling_ignored", key, message, provenance)


def _both_changed(config: ExperimentConfig, provenance: Origins) -> Iterator[ConfigWarning]:
    decoder = config.decoder
    from_preset = DECODER_PRESETS.get(decoder.preset or "", {})
    changed = decoder.temperature != 1 and decoder.top_p != 1
    if changed and not decoder.greedy and "top_p" not in from_preset:
        message = "temperature and top_p are both changed; say both in a paper"
        yield _warning("temperature_and_top_p", "decoder.top_p", message, provenance)


def _long(config: ExperimentConfig, provenance: Origins) -> Iterator[ConfigWarning]:
    if config.max_output_tokens > LONG_OUTPUT_TOKENS:
        message = f"{config.max_output_tokens} output tokens a request take long"
        yield _warning("long_output", "max_output_tokens", message, provenance)


def _without_effect(config: ExperimentConfig, provenance: Origins) -> Iterator[ConfigWarning]:
    unused = inference_backend(config.backend).capabilities.unused_keys
    for key in provenance:
        if key in unused or key.split(".")[0] in unused:
            message = f"has no effect: backend {config.backend!r} does not use it"
            yield _warning("no_effect", key, message, provenance)
