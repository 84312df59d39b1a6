from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llenergymeasure.exceptions import ConfigurationError
from llenergymeasure.security import MAX_ID_LENGTH, printable, redact, resolve_within, safe_id

SAFE = string.ascii_letters + string.digits + "_-."


@pytest.mark.parametrize("text", ["a", "20260101-000000-000000-abcd", "a.b_c-D9", "_x", "-x"])
def test_an_id_is_returned_as_it_is(text: str) -> None:
    assert safe_id(text) == text


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", ".hidden", "a..b", "a/b", "../a", "a\\b", "a b", "a\n", "a\0", "é", "٣", "~"],
)
def test_what_could_lead_elsewhere_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no experiment id"):
        safe_id(text)


def test_an_id_fits_a_file_name() -> None:
    assert safe_id("a" * MAX_ID_LENGTH)
    with pytest.raises(ConfigurationError):
        safe_id("a" * (MAX_ID_LENGTH + 1))


@given(st.text() | st.text(alphabet=SAFE + "/\\"))
def test_an_accepted_id_names_a_direct_child(text: str) -> None:
    try:
        safe_id(text)
    except ConfigurationError:
        return
    base = Path("/base")
    assert (base / text).parent == base
    assert set(text) <= set(SAFE)


def test_parts_inside_are_joined(tmp_path: Path) -> None:
    assert resolve_within(tmp_path, "raw", "x") == tmp_path / "raw" / "x"
    assert resolve_within(tmp_path, "raw", "..", "y").resolve() == tmp_path.resolve() / "y"


@pytest.mark.parametrize("parts", [("..",), ("raw", "..", "..", "x"), ("/etc",), ("a\0b",)])
def test_parts_that_leave_are_refused(tmp_path: Path, parts: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError):
        resolve_within(tmp_path / "base", *parts)


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (base / "out").symlink_to(tmp_path)
    (base / "inside").symlink_to(base)
    with pytest.raises(ConfigurationError, match="leads out"):
        resolve_within(base, "out", "x")
    assert resolve_within(base, "inside", "x")


def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no usable path"):
        resolve_within(tmp_path, "a" * 300)


def test_the_base_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert resolve_within(tmp_path / "link", "x") == tmp_path / "link" / "x"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain µJ 漢字 é", "plain µJ 漢字 é"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b2J", "\\x9b2J"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x00\x7f\x07", "\\x00\\x7f\\x07"),
        ("abc\u202etxt.exe", "abc\\u202etxt.exe"),
    ],
)
def test_nothing_commands_the_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_lines_stay_where_lines_are_meant() -> None:
    assert printable("a\n\x1bb", keep="\n") == "a\n\\x1bb"


@given(st.text())
def test_what_is_shown_is_shown_the_same_again(text: str) -> None:
    shown = printable(text)
    assert printable(shown) == shown
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in shown)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("sent hf_abcdefghijkl to it", "sent [hidden] to it"),
        ("GET https://user:pass@mirror.org/x", "GET https://[hidden]@mirror.org/x"),
        ("'authorization': 'Bearer abcdefghijkl'", "'authorization': 'Bearer [hidden]'"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic [hidden]"),
        ("posted to https://hooks.org/T0/s3cret", "posted to [hidden]"),
        ("the key is 0123456789", "the key is [hidden]"),
        ("a basic idea of a@b.org, see https://b.org/a", None),
        ("TOKENIZERS_PARALLELISM is falsefalse, 4 tokens", None),
        ("short: abc", None),
    ],
)
def test_secrets_are_hidden_and_the_rest_is_kept(text: str, kept: str | None) -> None:
    env = {
        "SLACK_WEBHOOK_URL": "https://hooks.org/T0/s3cret",
        "MY_API_KEY": "0123456789",
        "TOKENIZERS_PARALLELISM": "falsefalse",
        "SHORT_TOKEN": "abc",
        "PATH": "short: abc",
    }
    assert redact(text, env) == (text if kept is None else kept)


@given(st.text())
def test_without_secrets_nothing_is_hidden_twice(text: str) -> None:
    once = redact(text, {})
    assert redact(once, {}) == once
