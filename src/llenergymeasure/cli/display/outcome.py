"""What ``lem experiment`` says at its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from llenergymeasure.cli.arguments.options import GlobalOptions
from llenergymeasure.cli.display.prompts import dropped_words, prompts_words
from llenergymeasure.cli.display.text.json_output import write_json
from llenergymeasure.cli.display.text.notices import say, show_warnings
from llenergymeasure.cli.display.text.numbers import count
from llenergymeasure.config.energy_choice import AUTO, describe_choice
from llenergymeasure.domain.experiment import AggregatedResult
from llenergymeasure.orchestration.machine.checks import CheckState
from llenergymeasure.orchestration.planning import RunPlan
from llenergymeasure.orchestration.runner import RunOutcome
from llenergymeasure.orchestration.stored.inventory import aggregate_file


def show_outcome(outcome: RunOutcome, options: GlobalOptions, results_dir: Path) -> None:
    """Show the result; without one, say how to get it."""
    if outcome.result is not None:
        show_result(
            outcome.result, options, results_dir, f"lem results show {outcome.experiment_id}"
        )
        return
    if options.json:
        write_json({"experiment_id": outcome.experiment_id, "status": outcome.status})
        return
    if options.quiet:
        say(outcome.experiment_id, options)
        return
    say(f"experiment {outcome.experiment_id} is {outcome.status}", options)
    say(f"next: lem aggregate {outcome.experiment_id}", options)


def show_result(
    result: AggregatedResult, options: GlobalOptions, results_dir: Path, next_command: str
) -> None:
    """Show an aggregate: as JSON, in one line, or as a summary that ends with what to type next."""
    file = aggregate_file(results_dir, result.experiment_id)
    if options.json:
        write_json(result)
        return
    if options.quiet:
        say(f"{result.experiment_id}  {file}", options)
        return
    from llenergymeasure.cli.display.result import print_result
    from llenergymeasure.cli.display.text.console import console

    print_result(console(), result, file, next_command)


_FINE = "everything that can be checked without loading is fine"


def show_plan(plan: RunPlan, options: GlobalOptions) -> None:
    """Show what would be run."""
    config = plan.config
    if options.json:
        write_json({"dry_run": True, **vars(plan), "backend": config.backend})
    show_warnings(_list_lost_sources(plan), options)
    if options.quiet or options.json:
        return
    verdict = "it can run, and there is something to know" if plan.notes else _FINE
    say(f"{config.config_name}: {verdict}", options)
    for note in plan.notes:
        say(f"  {'note':<8} {note}", options, hang=11)
    energy, *sources = _describe_energy(plan)
    rows = {
        "model": f"{config.model_name}, dtype {config.dtype}, device {config.device}",
        "backend": config.backend,
        "prompts": "; ".join([prompts_words(plan.prompts), *dropped_words(plan.prompts)]),
        "work": f"{count(plan.requests_per_cycle)} requests a cycle, cycles: {plan.cycles}, "
        f"up to {count(config.max_output_tokens)} output tokens each",
        "results": str(plan.results_dir),
        "energy": energy,
    }
    for label, value in [*rows.items(), *(("", source) for source in sources)]:
        say(f"  {label:<8} {value}", options, hang=11)
    say("dry run: nothing was run, nothing was written", options)


def _describe_energy(plan: RunPlan) -> Iterator[str]:
    """What the config says, then each source that it means with what it gives on this machine."""
    yield describe_choice(plan.config.energy.backend)
    for trial in plan.sources:
        yield f"{trial.name} ({trial.state}): {trial.detail}"


def _list_lost_sources(plan: RunPlan) -> Iterator[str]:
    """What a config promises and this machine does not keep; ``auto`` promises no source."""
    if plan.config.energy.backend == AUTO:
        return
    for trial in plan.sources:
        if trial.state is not CheckState.OK:
            absent = trial.state is CheckState.ABSENT
            what = "is not there" if absent else "does not give all its joules here"
            hint = f"; {trial.hint}" if trial.hint else ""
            yield f"energy.backend names {trial.name}, which {what}: {trial.detail}{hint}"
