"""What ``lem experiment`` says about several configs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from llenergymeasure.cli.arguments.options import GlobalOptions
from llenergymeasure.cli.display.text.json_output import write_json
from llenergymeasure.cli.display.text.notices import say
from llenergymeasure.cli.display.text.numbers import MISSING, joules_cell, significant
from llenergymeasure.domain.metrics import ratio
from llenergymeasure.exceptions import LLEnergyMeasureError
from llenergymeasure.orchestration.series import (
    MemberOutcome,
    MemberStatus,
    PlannedMember,
)
from llenergymeasure.progress import ProgressObserver


def list_files(left_out: Sequence[str], repeats: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Files that are named and not measured, or not measured twice."""
    for file in left_out:
        yield f"{file} is no config and is left out"
    for first, again in repeats:
        same = "is named twice" if again == first else f"is the same file as {first}"
        yield f"{again} {same}; it is measured once"


def list_equal(equal: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Files that repeat another's settings."""
    for first, second in equal:
        yield f"{second} has the same settings as {first}; both are measured"


def announce_end(observer: ProgressObserver) -> Callable[[MemberOutcome], None]:
    """Tells at once how each config ended."""

    def announce(outcome: MemberOutcome) -> None:
        if outcome.error is not None:
            observer.notice(f"{outcome.source} failed: {outcome.error.message}")
        else:
            observer.notice(
                f"{outcome.source} is measured; its result: "
                f"lem results show {outcome.experiment_id}"
            )

    return announce


def show_series(outcomes: Sequence[MemberOutcome], options: GlobalOptions) -> None:
    """Show how each config ended, in one table."""
    if options.json:
        write_json(describe_series(outcomes))
        return
    if options.quiet:
        for outcome in outcomes:
            say(f"{outcome.experiment_id or MISSING}  {outcome.source}", options)
        return
    from llenergymeasure.cli.display.text.console import console
    from llenergymeasure.cli.display.text.tables import KEPT, Column, print_table

    columns = [
        Column("config", keep=KEPT),
        Column("J/output token", numeric=True, keep=9),
        Column("J/cycle", numeric=True, keep=7),
        Column("output tokens/s", numeric=True, keep=8),
        Column("verdict", keep=9),
        Column("id", keep=6),
        Column("file", keep=4),
    ]
    print_table(console(), columns, [_cells(outcome) for outcome in outcomes])
    for outcome in outcomes:
        # What interrupted the series is told as the error of the command.
        if outcome.error is not None and outcome.status is MemberStatus.FAILED:
            hint = f" ({outcome.error.hint})" if outcome.error.hint else ""
            say(f"{outcome.source}: {outcome.error.message}{hint}", options)
    say(f"{_count(outcomes)}; each result: lem results show ID", options)


def describe_series(outcomes: Sequence[MemberOutcome]) -> dict[str, Any]:
    """How each config ended, for programs."""
    failed = sum(outcome.status is MemberStatus.FAILED for outcome in outcomes)
    return {"experiments": [_data(outcome) for outcome in outcomes], "failed": failed}


def _count(outcomes: Sequence[MemberOutcome]) -> str:
    counts = Counter(outcome.status for outcome in outcomes)
    always = (MemberStatus.MEASURED, MemberStatus.FAILED)
    return ", ".join(
        f"{counts[status]} {status}"
        for status in MemberStatus
        if counts[status] or status in always
    )


def show_series_plan(planned: Sequence[PlannedMember], options: GlobalOptions) -> None:
    """Show what each config would run."""
    if options.json:
        write_json({"dry_run": True, "experiments": [_plan_data(one) for one in planned]})
        return
    from llenergymeasure.cli.display.outcome import show_plan

    for one in planned:
        if one.plan is not None:
            show_plan(one.plan, options)
        else:
            assert one.failure is not None, "without a plan there is a reason"
            hint = f" ({one.failure.hint})" if one.failure.hint else ""
            say(f"{one.member.source} cannot run here: {one.failure.message}{hint}", options)


def _cells(outcome: MemberOutcome) -> list[str]:
    result = outcome.result
    verdict = str(outcome.status) if result is None else str(result.validity.status)
    numbers = [MISSING] * 3
    if result is not None:
        energy, inference = result.metrics.energy, result.metrics.inference
        per_cycle_j = ratio(energy.total_j, result.cycles.n)
        numbers = [
            joules_cell(value_j, energy.half_width_of(value_j), energy.origin)
            for value_j in (energy.j_per_output_token, per_cycle_j)
        ]
        numbers.append(significant(inference.output_tokens_per_s))
    return [
        outcome.config_name,
        *numbers,
        verdict,
        outcome.experiment_id or MISSING,
        outcome.source,
    ]


def _data(outcome: MemberOutcome) -> dict[str, Any]:
    return {
        "source": outcome.source,
        "config_name": outcome.config_name,
        "status": outcome.status,
        "experiment_id": outcome.experiment_id,
        "result": outcome.result,
        "error": None if outcome.error is None else _describe_error(outcome.error),
    }


def _describe_error(error: LLEnergyMeasureError) -> dict[str, str | None]:
    return {"type": type(error).__name__, "message": error.message, "hint": error.hint}


def _plan_data(planned: PlannedMember) -> dict[str, Any]:
    data: dict[str, Any] = {"source": planned.member.source}
    if planned.plan is not None:
        return {**data, **vars(planned.plan), "backend": planned.plan.config.backend}
    assert planned.failure is not None, "without a plan there is a reason"
    return {**data, "error": _describe_error(planned.failure)}
