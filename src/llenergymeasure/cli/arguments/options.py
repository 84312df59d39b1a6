"""The options that every command understands, before or after its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def _python_alone_reads(value: Any) -> bool:
    """Python takes ``1_0`` and other digits than 0 to 9 for a number; a config file does not."""
    return isinstance(value, str) and ("_" in value or not value.isascii())


class Whole(click.IntRange):
    """A whole number within bounds, called what it is."""

    name = "integer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if _python_alone_reads(value):
            self.fail(f"{value!r} is not a valid integer.", param, ctx)
        return super().convert(value, param, ctx)


class Number(click.FloatRange):
    """A number within bounds, called what it is."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if _python_alone_reads(value):
            self.fail(f"{value!r} is not a valid number.", param, ctx)
        return super().convert(value, param, ctx)


@dataclass
class GlobalOptions:
    """What was given, wherever on the line it stood."""

    verbose: int = 0
    quiet: bool = False
    json: bool = False
    yes: bool = False
    results_dir: str | None = None

    def choose_results_dir(self, config: str | None = None) -> Path:
        """The results folder: this option, the config's, the environment's, the user's."""
        from llenergymeasure.config.runtime_env import results_dir
        from llenergymeasure.config.user_config import load_user_config

        user, _ = load_user_config()
        return results_dir(option=self.results_dir, config=config, user=user.results_dir)


def given() -> GlobalOptions:
    """The global options as they stand on the line; the user's file is not looked at."""
    return click.get_current_context().find_root().ensure_object(GlobalOptions)


def current() -> GlobalOptions:
    """The global options of the running command; what is not given is as the user's file says."""
    options = given()
    if not options.quiet and not options.verbose:
        from llenergymeasure.config.user_config import load_user_config

        user, _ = load_user_config()
        options.quiet = user.verbosity == "quiet"
        if user.verbosity == "verbose":
            options.verbose = 1
            _show_log(1)
    return options


def global_options(command: F) -> F:
    """Attach the global options to a command or group."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def hide(*names: str) -> Callable[[F], F]:
    """Leave global options out of the help of a command that has no use for them."""

    def hide_in(command: F) -> F:
        for parameter in command.__click_params__:  # type: ignore[attr-defined]
            if parameter.name in names:
                parameter.hidden = True
        return command

    return hide_in


def version_option(command: F) -> F:
    """Attach ``--version``."""
    return click.option(
        "--version",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_show_version,
        help="Show the version and that of the result files, and exit.",
    )(command)


def _merge(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
    if not value or ctx.resilient_parsing:
        return
    options = ctx.find_root().ensure_object(GlobalOptions)
    name = str(parameter.name)
    if name == "verbose":
        value += options.verbose
    setattr(options, name, value)
    if options.quiet and options.verbose:
        raise click.UsageError("--quiet and --verbose contradict each other.", ctx=ctx)
    if name == "verbose":
        _show_log(value)


def _show_log(verbose: int) -> None:
    import logging

    from llenergymeasure.logging import log_to_stderr
    from llenergymeasure.security import printable, redact

    # A second -v, elsewhere on the line, replaces what the first one set up.
    logger = logging.getLogger("llenergymeasure")
    for handler in [h for h in logger.handlers if type(h) is logging.StreamHandler]:
        logger.removeHandler(handler)
    level = logging.DEBUG if verbose > 1 else logging.INFO
    log_to_stderr(level, lambda text: printable(redact(text), keep="\n\t"))


def _show_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from llenergymeasure import __version__
    from llenergymeasure.constants import RESULT_SCHEMA_VERSION

    click.echo(f"lem {__version__} (result schema {RESULT_SCHEMA_VERSION})")
    ctx.exit(0)


def _option(*names: str, **attributes: Any) -> Callable[[F], F]:
    return click.option(*names, expose_value=False, callback=_merge, **attributes)


_OPTIONS = (
    _option("-v", "--verbose", count=True, help="Show log lines; -vv also those for debugging."),
    _option("-q", "--quiet", is_flag=True, help="Say less: no progress, no notes, no summary."),
    _option("--json", is_flag=True, help="Answer with one JSON document."),
    _option("-y", "--yes", is_flag=True, help="Answer yes to every question."),
    _option(
        "--results-dir",
        metavar="DIR",
        help="Folder of the results. Default: that of the config, of .lem-config.yaml, or results.",
    ),
)
