"""``lem experiment``: measure a config, or several in turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llenergymeasure.cli.arguments import completion
from llenergymeasure.cli.arguments.config_flags import config_flags
from llenergymeasure.cli.arguments.endings import end_help
from llenergymeasure.cli.arguments.options import GlobalOptions, current, global_options
from llenergymeasure.cli.display.progress import progress_view, tell_slow
from llenergymeasure.cli.display.text.notices import note_to, show_warnings
from llenergymeasure.constants import EXIT_RUN_FAILED

if TYPE_CHECKING:
    from llenergymeasure.config.loader import LoadedConfig
    from llenergymeasure.orchestration.planning import RunOptions, RunPlan
    from llenergymeasure.orchestration.runner import RunOutcome

_CHECKING = "checking model and prompts, which may have to be fetched"


@click.command(
    epilog=end_help(
        "lem experiment llama.yaml",
        "lem experiment a.yaml b.yaml",
        "lem experiment grid/",
        "lem experiment llama.yaml --set pytorch.batch_size=8 --cycles 3",
        "lem experiment --preset quick-test --model builtin:tiny-llama",
        "lem experiment --resume latest",
        done="measured, also if degraded or invalid",
        failed="a run failed, or no request was answered",
    )
)
@click.argument("configs", nargs=-1, metavar="[CONFIG]...", shell_complete=completion.files)
@click.option(
    "--resume",
    "resume_id",
    metavar="ID",
    shell_complete=completion.experiments,
    help="Finish the unfinished experiment ID with its saved config; whole cycles are kept.",
)
@click.option(
    "--fresh",
    is_flag=True,
    help="Do not mention unfinished runs of this config. (None is resumed without --resume.)",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Check config, prompts, model and energy sources; measure and write nothing.",
)
@click.option(
    "--no-aggregate",
    is_flag=True,
    help="Keep the raw results only; lem aggregate sums them up later.",
)
@config_flags
@global_options
def experiment(
    configs: tuple[str, ...],
    resume_id: str | None,
    fresh: bool,
    dry_run: bool,
    no_aggregate: bool,
    overrides: dict[str, Any],
    sets: tuple[str, ...],
    preset: str | None,
    deprecated: list[str],
) -> None:
    """Measure the config file CONFIG, or a --model without one, or finish with --resume ID.

    Options win over the file, the file over a preset.
    Several files are measured in turn; a folder stands for the config files directly in it. All are
    checked before the first one runs. One that fails does not stop the others.
    ID is an id or its beginning, 'latest' (the latest unfinished one), or a config's name.
    """
    options = current()
    if resume_id is not None:
        given = {
            "CONFIG": configs,
            "--dry-run": dry_run,
            "--set": sets,
            "--preset": preset,
            "--fresh": fresh,
            "options for config keys": overrides,
        }
        _refuse(given)
        _resume(resume_id, options, aggregate=not no_aggregate)
        return
    named = "model_name" in overrides or any(text.startswith("model_name=") for text in sets)
    if not configs and not named:
        raise click.UsageError("Give a CONFIG file, or --model (and --preset), or --resume ID.")
    if dry_run and no_aggregate:
        raise click.UsageError("--no-aggregate means nothing with --dry-run.")

    def load(file: str | None) -> LoadedConfig:
        return _load(file, overrides, sets, preset, options)

    show_warnings(deprecated, options)
    if len(configs) > 1 or any(Path(config).is_dir() for config in configs):
        _run_several(configs, load, options, dry_run, aggregate=not no_aggregate, fresh=fresh)
        return
    if not configs:
        overrides.setdefault("config_name", preset or "command-line")
    loaded = load(configs[0] if configs else None)
    if dry_run:
        _plan(loaded, options)
    else:
        _run(loaded, options, aggregate=not no_aggregate, fresh=fresh)


def _refuse(given: Mapping[str, object]) -> None:
    named = [name for name, value in given.items() if value]
    if named:
        raise click.UsageError(
            f"--resume goes on with a saved config and does not take {' or '.join(named)}."
        )


def _load(
    config: str | None,
    overrides: dict[str, Any],
    sets: tuple[str, ...],
    preset: str | None,
    options: GlobalOptions,
) -> LoadedConfig:
    from llenergymeasure.config.loader import load

    loaded = load(config, overrides, sets=sets, preset=preset)
    show_warnings(loaded.warnings, options)
    return loaded


def _run_options(options: GlobalOptions, config_dir: str | None, *, aggregate: bool) -> RunOptions:
    from llenergymeasure.config.runtime_env import state_dir
    from llenergymeasure.orchestration.planning import RunOptions

    return RunOptions(options.choose_results_dir(config_dir), state_dir(), aggregate)


def _plan(loaded: LoadedConfig, options: GlobalOptions) -> None:
    from llenergymeasure.cli.display.outcome import show_plan
    from llenergymeasure.orchestration.planning import rehearse

    chosen = _run_options(options, loaded.config.io.results_dir, aggregate=True)
    with tell_slow(_CHECKING, options):
        planned = rehearse(loaded, chosen)
    show_plan(planned, options)


def _run(loaded: LoadedConfig, options: GlobalOptions, *, aggregate: bool, fresh: bool) -> None:
    from llenergymeasure.orchestration.planning import plan

    chosen = _run_options(options, loaded.config.io.results_dir, aggregate=aggregate)
    with tell_slow(_CHECKING, options):
        planned = plan(loaded, chosen)
    _note_prompts(planned, options)
    # Now that there is something to run.
    from llenergymeasure.orchestration.runner import run_planned

    with progress_view(options) as observer:
        outcome = run_planned(loaded, planned, replace(chosen, fresh=fresh), observer)
    from llenergymeasure.cli.display.outcome import show_outcome

    show_outcome(outcome, options, chosen.results_dir)
    _exit_if_empty(outcome)


def _note_prompts(planned: RunPlan, options: GlobalOptions, name: str = "") -> None:
    """Say before the run which rows and files are not among its prompts, and what else to know."""
    from llenergymeasure.cli.display.prompts import dropped_words
    from llenergymeasure.cli.display.text.notices import tell

    if not options.quiet:
        for words in dropped_words(planned.prompts):
            tell("Note:", f"{name}prompts: {words}")
        for words in planned.notes:
            tell("Note:", f"{name}{words}")


def _run_several(
    named: Sequence[str],
    load: Callable[[str], LoadedConfig],
    options: GlobalOptions,
    dry_run: bool,
    *,
    aggregate: bool,
    fresh: bool,
) -> None:
    from llenergymeasure.cli.display import series as display
    from llenergymeasure.config.files.catalogue import expand_configs
    from llenergymeasure.orchestration import series

    def load_member(file: str) -> tuple[LoadedConfig, RunOptions]:
        loaded = load(file)
        chosen = _run_options(options, loaded.config.io.results_dir, aggregate=aggregate)
        return loaded, replace(chosen, fresh=fresh)

    files, left_out = expand_configs(named)
    files, repeats = series.drop_repeats(files)
    show_warnings(display.list_files(left_out, repeats), options)
    members = series.load_members(files, load_member)
    show_warnings(display.list_equal(series.find_equal(members)), options)
    try:
        with tell_slow(_CHECKING, options):
            planned = series.plan_series(members, dry_run=dry_run)
        if dry_run:
            display.show_series_plan(planned, options)
            failed = any(one.plan is None for one in planned)
        else:
            for one in planned:
                if one.plan is not None:
                    _note_prompts(one.plan, options, f"{one.member.source}: ")
            with progress_view(options) as observer:
                outcomes = series.run_series(planned, observer, display.announce_end(observer))
            display.show_series(outcomes, options)
            failed = any(outcome.status is series.MemberStatus.FAILED for outcome in outcomes)
    except series.SeriesInterruptedError as interrupted:
        if not options.json:  # there the error's document holds the outcomes
            display.show_series(interrupted.outcomes, options)
        raise
    if failed:
        click.get_current_context().exit(EXIT_RUN_FAILED)


def _resume(resume_id: str, options: GlobalOptions, *, aggregate: bool) -> None:
    from llenergymeasure.orchestration.runner import resume
    from llenergymeasure.orchestration.stored.inventory import Places, find_experiment

    chosen = _run_options(options, None, aggregate=aggregate)
    entry = find_experiment(
        resume_id,
        Places(chosen.results_dir, chosen.state_dir, bool(options.results_dir)),
        note_to(options),
        unfinished=True,
    )
    with progress_view(options) as observer:
        outcome = resume(entry, chosen, observer)
    from llenergymeasure.cli.display.outcome import show_outcome

    show_outcome(outcome, options, entry.results_dir)
    _exit_if_empty(outcome)


def _exit_if_empty(outcome: RunOutcome) -> None:
    """A run without an answer is saved and shown, and is no success."""
    if outcome.failure is None:
        return
    from llenergymeasure.security import printable

    click.echo(printable(f"error: {outcome.failure.message}"), err=True)
    click.get_current_context().exit(EXIT_RUN_FAILED)
