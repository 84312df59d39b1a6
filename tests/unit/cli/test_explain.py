from __future__ import annotations

import json

import pytest

from llenergymeasure import cli
from llenergymeasure.domain.reason_texts import REASON_TEXTS
from llenergymeasure.domain.validity import ReasonCode

Captured = pytest.CaptureFixture[str]


def said(capsys: Captured, *arguments: str, code: int = 0) -> tuple[str, str]:
    assert cli.main(list(arguments)) == code
    captured = capsys.readouterr()
    return captured.out, captured.err


@pytest.mark.parametrize("form", ["mig_shared", "MIG_SHARED", "mig-shared", "[mig_shared]"])
def test_a_code_is_told_in_full(form: str, capsys: Captured) -> None:
    out, _ = said(capsys, "explain", form)
    text = REASON_TEXTS[ReasonCode.MIG_SHARED]
    assert out.startswith(f"mig_shared: {text.title}\ndegraded")
    assert " ".join(out.split()).count(" ".join(text.meaning.split())) == 1
    assert "What to do" in out


def test_a_line_to_copy_stands_alone(capsys: Captured) -> None:
    out, _ = said(capsys, "explain", "rapl_unreadable")
    assert "sudo chmod o+r /sys/class/powercap/*/energy_uj" in map(str.strip, out.splitlines())


def test_an_unknown_code_names_the_nearest(capsys: Captured) -> None:
    out, err = said(capsys, "explain", "mig_share", code=2)
    assert out == ""
    assert "did you mean 'mig_shared'?" in err
    assert "lem explain" in err


def test_without_a_code_all_are_listed(capsys: Captured) -> None:
    out, _ = said(capsys, "explain")
    assert [line.split()[0] for line in out.splitlines()[2:-1]] == [*REASON_TEXTS]
    listed, _ = said(capsys, "--json", "explain")
    assert {code: said["effect"] for code, said in json.loads(listed).items()}["no_gpu"] == "note"


def test_json_is_one_document(capsys: Captured) -> None:
    out, _ = said(capsys, "--json", "explain", "no_gpu")
    told = json.loads(out)
    assert (told["code"], told["effect"]) == ("no_gpu", "note")
    assert told["remedy"]
