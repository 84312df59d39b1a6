"""What ``lem experiment`` says at its end."""

from __future__ import annotations

from pathlib import Path

from llenergymeasure.cli.arguments.options import GlobalOptions
from llenergymeasure.cli.display.prompts import dropped_words, prompts_words
from llenergymeasure.cli.display.text.json_output import write_json
from llenergymeasure.cli.display.text.notices import say
from llenergymeasure.cli.display.text.numbers import count
from llenergymeasure.domain.experiment import AggregatedResult
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


def show_plan(plan: RunPlan, options: GlobalOptions) -> None:
    """Show what would be run."""
    config = plan.config
    if options.json:
        write_json({"dry_run": True, **vars(plan), "backend": config.backend})
    if options.quiet or options.json:
        return
    say(f"{config.config_name}: everything that can be checked without loading is fine", options)
    rows = {
        "model": f"{config.model_name}, dtype {config.dtype}, device {config.device}",
        "backend": config.backend,
        "prompts": "; ".join([prompts_words(plan.prompts), *dropped_words(plan.prompts)]),
        "work": f"{count(plan.requests_per_cycle)} requests a cycle, cycles: {plan.cycles}, "
        f"up to {count(config.max_output_tokens)} output tokens each",
        "energy": plan.energy_backend,
        "results": str(plan.results_dir),
    }
    for label, value in rows.items():
        say(f"  {label:<8} {value}", options, hang=11)
    say("dry run: nothing was run, nothing was written", options)
