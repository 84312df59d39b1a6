"""What a user gave is told back shortened, whatever it was given for."""

from __future__ import annotations

import pytest

from llenergymeasure.cli import main

LONG = {"one word": "x" * 90_000, "words": "word " * 18_000}


@pytest.mark.parametrize("kind", LONG)
@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    "arguments",
    [
        "@",
        "--@",
        "explain @",
        "results list --sort @",
        "results timeseries latest --cycle @",
        "config validate @",
        "config new @",
        "config new x.yaml --preset @",
        "experiment x.yaml --set @",
        "experiment x.yaml --set @=1",
        "measure -o @ -- true",
        "measure -- @",
        "measure --backend @ -- true",
        "--results-dir @ results list",
    ],
)
def test_no_message_repeats_a_long_value(
    capfd: pytest.CaptureFixture[str], arguments: str, kind: str, as_json: bool
) -> None:
    words = [word.replace("@", LONG[kind]) for word in arguments.split()]
    assert main(["--json", *words] if as_json else words) != 0
    said = capfd.readouterr()
    assert 0 < len(said.out + said.err) < 4000
