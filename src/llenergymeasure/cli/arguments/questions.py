"""Asking before something is replaced. Nothing waits for an answer where nobody can give one."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from llenergymeasure.cli.arguments.options import GlobalOptions
from llenergymeasure.exceptions import ConfigurationError


def may_replace(
    file: Path,
    options: GlobalOptions,
    *,
    ask: bool = True,
    hint: str = "replace it with --yes, or choose another name",
) -> None:
    """Return if ``file`` may be written; only with ``ask`` is anybody asked.

    Raises:
        ConfigurationError: It is there, and nobody said that it may be replaced.
    """
    if not file.exists() or options.yes:
        return
    if file.is_dir():
        raise ConfigurationError(f"{file} is a folder")
    if ask and can_ask() and click.confirm(f"{file} is there already. Replace it?", err=True):
        return
    raise ConfigurationError(f"{file} is there already", hint=hint)


def can_ask() -> bool:
    """Whether a person sits at the terminal."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
