"""``lem explain``: what a reason code means and what to do."""

from __future__ import annotations

import click

from llenergymeasure.cli.arguments import completion
from llenergymeasure.cli.arguments.endings import end_help
from llenergymeasure.cli.arguments.options import current, global_options


@click.command(epilog=end_help("lem explain", "lem explain estimate_only"))
@click.argument("code", required=False, shell_complete=completion.reason_codes)
@global_options
def explain(code: str | None) -> None:
    """Explain the reason CODE of a verdict, and what to do; without CODE list all.

    CODE stands in [brackets] below a verdict, and in validity.reasons of the JSON.
    """
    from llenergymeasure.cli.display.reasons import show_reason, show_reasons
    from llenergymeasure.config.problems.nearest import did_you_mean
    from llenergymeasure.domain.validity import ReasonCode
    from llenergymeasure.exceptions import ConfigurationError

    options = current()
    if code is None:
        show_reasons(options)
        return
    # As it stands in a verdict: "[no_gpu]".
    name = code.strip("[] ").lower().replace("-", "_")
    try:
        found = ReasonCode(name)
    except ValueError:
        raise ConfigurationError(
            f"there is no reason code {code!r}{did_you_mean(name, map(str, ReasonCode))}",
            hint="list them all with: lem explain",
        ) from None
    show_reason(found, options)
