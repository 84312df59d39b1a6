"""Warnings that no log file takes."""

from __future__ import annotations

import logging

import pytest

from llenergymeasure.logging import show_stray_warnings


def test_a_stray_warning_is_shown_once_and_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logging, "lastResort", logging.lastResort)
    shown: list[str] = []
    show_stray_warnings(shown.append)
    logger = logging.Logger("stray")
    for name in ("a", "a", "b"):
        try:
            raise ValueError("no number")
        except ValueError:
            logger.warning("cannot read %s", name, exc_info=True)
    logger.info("read b")
    assert shown == ["cannot read a", "cannot read b"]
    assert capfd.readouterr().err == ""
