"""What a shell may complete beside commands and options. Nothing here may fail or be slow."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from click import Context, Parameter

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def files(_ctx: Context, _parameter: Parameter, incomplete: str) -> list[CompletionItem]:
    """The shell's own completion of paths."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def presets(_ctx: Context, _parameter: Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of presets."""
    from llenergymeasure.config.presets import PRESETS

    return _beginning(PRESETS, incomplete)


def experiments(_ctx: Context, _parameter: Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids of the experiments that are known here, newest first, after ``latest``."""
    from llenergymeasure.cli.arguments.options import GlobalOptions
    from llenergymeasure.config.runtime_env import state_dir
    from llenergymeasure.exceptions import LLEnergyMeasureError
    from llenergymeasure.orchestration.stored.inventory import Places, list_experiments

    try:
        places = Places(GlobalOptions().choose_results_dir(), state_dir())
        entries = list_experiments(places, include_unfinished=True)
    except (LLEnergyMeasureError, OSError):
        entries = []
    return _beginning(["latest", *(entry.experiment_id for entry in reversed(entries))], incomplete)


def reason_codes(_ctx: Context, _parameter: Parameter, incomplete: str) -> list[CompletionItem]:
    """Codes of a verdict's reasons."""
    from llenergymeasure.domain.validity import ReasonCode

    return _beginning(ReasonCode, incomplete)


def _beginning(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
