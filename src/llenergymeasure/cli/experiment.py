"""``lem experiment``: measure one config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from llenergymeasure.cli.options import GlobalOptions, current, global_options

if TYPE_CHECKING:
    from llenergymeasure.config.loader import LoadedConfig
    from llenergymeasure.orchestration.runner import RunOptions


@click.command()
@click.argument("config", required=False, metavar="CONFIG")
@click.option("--resume", "resume_id", metavar="ID", help="Finish an unfinished experiment.")
@click.option("--cycles", type=click.IntRange(1, 1000), help="Measure so many times.")
@click.option("--dry-run", is_flag=True, help="Check everything, run and write nothing.")
@click.option("--no-aggregate", is_flag=True, help="Keep the raw results only.")
@global_options
def experiment(
    config: str | None,
    resume_id: str | None,
    cycles: int | None,
    dry_run: bool,
    no_aggregate: bool,
) -> None:
    """Measure the config file CONFIG, or finish an experiment with --resume ID."""
    options = current()
    if resume_id is not None:
        given = {
            "CONFIG": config,
            "--cycles": cycles,
            "--dry-run": dry_run,
            "--results-dir": options.results_dir,
        }
        _refuse(given)
        _resume(resume_id, options, aggregate=not no_aggregate)
        return
    if config is None:
        raise click.UsageError("Give a CONFIG file, or --resume ID.")
    if dry_run and no_aggregate:
        raise click.UsageError("--no-aggregate means nothing with --dry-run.")
    loaded = _load(config, cycles, options)
    if dry_run:
        _plan(loaded, options)
    else:
        _run(loaded, options, aggregate=not no_aggregate)


def _refuse(given: Mapping[str, object]) -> None:
    named = [name for name, value in given.items() if value]
    if named:
        raise click.UsageError(
            f"--resume goes on with a saved config and does not take {' or '.join(named)}."
        )


def _load(config: str, cycles: int | None, options: GlobalOptions) -> LoadedConfig:
    from llenergymeasure.cli.display.notices import show_warnings
    from llenergymeasure.config.loader import load

    loaded = load(config, {} if cycles is None else {"num_cycles": cycles})
    show_warnings(loaded.warnings, options)
    return loaded


def _run_options(options: GlobalOptions, config_dir: str | None, *, aggregate: bool) -> RunOptions:
    from llenergymeasure.config.runtime_env import state_dir
    from llenergymeasure.orchestration.runner import RunOptions

    return RunOptions(options.chosen_results_dir(config_dir), state_dir(), aggregate)


def _plan(loaded: LoadedConfig, options: GlobalOptions) -> None:
    from llenergymeasure.cli.display.outcome import show_plan
    from llenergymeasure.orchestration.runner import plan

    chosen = _run_options(options, loaded.config.io.results_dir, aggregate=True)
    show_plan(plan(loaded, chosen), options)


def _run(loaded: LoadedConfig, options: GlobalOptions, *, aggregate: bool) -> None:
    from llenergymeasure.cli.display.progress import progress_view
    from llenergymeasure.orchestration.runner import run

    chosen = _run_options(options, loaded.config.io.results_dir, aggregate=aggregate)
    with progress_view(options) as observer:
        outcome = run(loaded, chosen, observer)
    from llenergymeasure.cli.display.outcome import show_outcome

    show_outcome(outcome, options, chosen.results_dir)


def _resume(resume_id: str, options: GlobalOptions, *, aggregate: bool) -> None:
    from llenergymeasure.cli.display.progress import progress_view
    from llenergymeasure.orchestration.runner import resume

    chosen = _run_options(options, None, aggregate=aggregate)
    with progress_view(options) as observer:
        outcome = resume(resume_id, chosen, observer)
    from llenergymeasure.cli.display.outcome import show_outcome
    from llenergymeasure.orchestration.inventory import Places, find_experiment

    # The results lie where the first attempt put them.
    places = Places(chosen.results_dir, chosen.state_dir)
    show_outcome(outcome, options, find_experiment(outcome.experiment_id, places).results_dir)
