from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llenergymeasure.config.loader import from_mapping
from llenergymeasure.config.validation import WARNING_CODES

ROOT = Path(__file__).resolve().parents[3]
BASE: dict[str, Any] = {"config_name": "a", "model_name": "m"}


def found(**values: Any) -> list[tuple[str, str, str]]:
    warnings = from_mapping({**BASE, **values}).warnings
    return [(w.code, w.severity, w.key) for w in warnings]


def test_a_plain_config_is_not_warned_of() -> None:
    assert found() == []
    assert found(decoder={"preset": "deterministic"}) == []
    assert found(decoder={"preset": "creative"}) == []
    assert found(decoder={"temperature": 0}) == []


def test_sampling_values_of_a_greedy_decoder() -> None:
    given = {"do_sample": False, "temperature": 0.5, "top_k": 3}
    assert found(decoder=given) == [
        ("sampling_ignored", "warning", "decoder.temperature"),
        ("sampling_ignored", "warning", "decoder.top_k"),
    ]


def test_temperature_and_top_p_together() -> None:
    both = {"temperature": 0.5, "top_p": 0.9}
    assert found(decoder=both) == [("temperature_and_top_p", "info", "decoder.top_p")]


def test_long_outputs() -> None:
    assert found(max_output_tokens=2048) == []
    assert found(max_output_tokens=2049) == [("long_output", "info", "max_output_tokens")]


def test_what_the_echo_backend_cannot_choose() -> None:
    given = found(backend="echo", dtype="float32", decoder={"top_k": 3})
    assert given == [
        ("no_effect", "warning", "dtype"),
        ("no_effect", "warning", "decoder.top_k"),
    ]


def test_a_warning_stands_where_its_value_does(tmp_path: Path) -> None:
    (warning,) = from_mapping({**BASE, "max_output_tokens": 9999}).warnings
    assert str(warning.place) == "config"


@pytest.mark.parametrize("code", WARNING_CODES)
def test_every_code_is_documented_with_its_severity(code: str) -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert f"| `{code}` | {WARNING_CODES[code][0]} |" in text
