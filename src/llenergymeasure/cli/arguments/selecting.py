"""The options that choose and order experiments."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from llenergymeasure.cli.arguments.options import Whole


def selection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Attach filters and sort options; the command gets them as one ``selection``."""

    @click.option(
        "--config",
        "config_",
        metavar="PATTERN",
        help="Only configs whose name matches, e.g. 'batch-*'.",
    )
    @click.option("--model", metavar="PATTERN", help="Only models that match, e.g. '*llama*'.")
    @click.option("--backend", metavar="NAME", help="Only this inference backend.")
    @click.option(
        "--validity",
        type=click.Choice(["valid", "degraded", "invalid"]),
        help="Only results with this verdict.",
    )
    @click.option(
        "--sort",
        type=click.Choice(
            [
                "created",
                "config",
                "model",
                "output_tokens_per_s",
                "j_per_cycle",
                "j_per_output_token",
                "validity",
            ]
        ),
        default="created",
        show_default=True,
        help="Order: oldest, smallest or A first; missing values last.",
    )
    @click.option("--reverse", is_flag=True, help="Reverse the order; missing values stay last.")
    @click.option(
        "--limit",
        type=Whole(1),
        metavar="N",
        help="Only the first N experiments of that order. Default: all.",
    )
    @wraps(command)
    def with_selection(
        *args: Any,
        config_: str | None,
        model: str | None,
        backend: str | None,
        validity: str | None,
        sort: str,
        reverse: bool,
        limit: int | None,
        **kwargs: Any,
    ) -> Any:
        from llenergymeasure.orchestration.stored.selection import Selection

        selection = Selection(config_, model, backend, validity, sort, reverse, limit)
        return command(*args, selection=selection, **kwargs)

    return with_selection
