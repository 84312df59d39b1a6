from __future__ import annotations

import pytest

from llenergymeasure import cli

Captured = pytest.CaptureFixture[str]


def completed(words: str, patch: pytest.MonkeyPatch, capsys: Captured) -> list[str]:
    """What bash is told for the last of ``words``."""
    patch.setenv("_LEM_COMPLETE", "bash_complete")
    patch.setenv("COMP_WORDS", words)
    patch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
    with pytest.raises(SystemExit, match="0"):
        cli.main([])
    return capsys.readouterr().out.split()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("lem expe", "plain,experiment"),
        ("lem experiment mi", "file,mi"),
        ("lem config validate mi", "file,mi"),
        ("lem experiment --prompts p", "file,p"),
        ("lem experiment --preset quick", "plain,quick-test"),
        ("lem results show lat", "plain,latest"),
        ("lem explain mig", "plain,mig_shared"),
    ],
)
def test_commands_files_presets_and_ids_are_completed(
    words: str, told: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    assert completed(words, monkeypatch, capsys) == [told]
