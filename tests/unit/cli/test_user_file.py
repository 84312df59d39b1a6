"""What a user's file may be: empty is fine, what cannot be read is told and can be replaced."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llenergymeasure.cli import main
from llenergymeasure.config.user_config import USER_FILE

CONFIG = "config_name: a\nmodel_name: builtin:tiny-llama\n"

FINE = {
    "empty": b"",
    "blank": b"\n  \n",
    "comments": b"# nothing yet\n",
    "bom": b"\xef\xbb\xbf",
    "null": b"null\n",
    "tilde": b"---\n~\n...\n",
    "marker": b"---\n",
    "mapping": b"{}\n",
    "commented out": b"results_dir:\nverbosity: # quiet\ndefaults:\n#  dtype: bfloat16\n",
}
WRONG = {
    "list": (b"- a\n", ":1: a config is a mapping"),
    "text": (b"text\n", ":1: a config is a mapping"),
    "number": (b"3\n", ":1: a config is a mapping"),
    "quoted null": (b"'~'\n", ":1: a config is a mapping"),
    "not UTF-8": (b"verbosity: \xff\n", "not a text file: byte 11 is not UTF-8"),
    "NUL": (b"a\0b", "not a text file"),
    "broken": (b"a: [\n", "not valid YAML"),
    "two": (b"a: 1\n---\nb: 1\n", "not valid YAML"),
    "key": (b"verbosty: quiet\n", ":1: verbosty: unknown key; did you mean 'verbosity'?"),
    "value": (b"\nverbosity: loud\n", ":2: verbosity: found 'loud', allowed: quiet"),
    "defaults": (b"defaults: [1]\n", ":1: defaults: found a list, must be a mapping"),
}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(CONFIG)


@pytest.mark.parametrize("content", FINE.values(), ids=FINE)
def test_a_file_without_preferences_is_fine(
    content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    Path(USER_FILE).write_bytes(content)
    for args in (["config", "validate", "c.yaml"], ["results", "list"], ["presets"]):
        assert main(args) == 0
    assert "Error" not in capfd.readouterr().err


@pytest.mark.parametrize(("content", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_file_is_told_with_the_way_out(
    content: bytes, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    Path(USER_FILE).write_bytes(content)
    must_tell(message, capfd)
    assert main(["init", "--non-interactive", "--yes", "-q"]) == 0
    assert main(["config", "validate", "c.yaml"]) == 0


def test_a_folder_a_dead_link_and_a_locked_file_are_told(
    capfd: pytest.CaptureFixture[str],
) -> None:
    Path(USER_FILE).mkdir()
    must_tell("this is a folder", capfd)
    Path(USER_FILE).rmdir()
    Path(USER_FILE).symlink_to("nowhere.yaml")
    must_tell("this is a link to a file that is not there", capfd)
    Path(USER_FILE).unlink()
    if os.geteuid() != 0:
        Path(USER_FILE).touch(mode=0o000)
        must_tell("cannot be read: Permission denied", capfd)


def must_tell(message: str, capfd: pytest.CaptureFixture[str]) -> None:
    for args in (["config", "validate", "c.yaml"], ["results", "list"]):
        assert main(args) == 2
        err = capfd.readouterr().err
        assert f"{USER_FILE}" in err
        assert message in err
        assert "mend it, or remove it" in err
        assert "Traceback" not in err
