"""Several configs with one command: all checked before the first runs, then each in turn.

A config that fails does not end the series: what comes after it is still measured.
"""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from llenergymeasure.config.loader import LoadedConfig
from llenergymeasure.config.problems.report import InvalidConfigError, Place, Problem
from llenergymeasure.domain.experiment import AggregatedResult
from llenergymeasure.exceptions import (
    ConfigurationError,
    ExperimentInterruptedError,
    LLEnergyMeasureError,
)
from llenergymeasure.orchestration.context import config_hash
from llenergymeasure.orchestration.lifecycle import termination_as_interrupt
from llenergymeasure.orchestration.machine.source_trial import KnownTrials
from llenergymeasure.orchestration.planning import RunOptions, RunPlan, plan, rehearse
from llenergymeasure.orchestration.runner import run_planned
from llenergymeasure.progress import ProgressObserver

logger = logging.getLogger(__name__)


class MemberStatus(StrEnum):
    """How one config of a series ended."""

    MEASURED = "measured"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    NOT_RUN = "not run"


@dataclass(frozen=True)
class Member:
    """One config of a series.

    Attributes:
        source: Its file, as it is named to the user.
        loaded: What the file says, with everything around it.
        options: Where its files go.
    """

    source: str
    loaded: LoadedConfig
    options: RunOptions


@dataclass(frozen=True)
class PlannedMember:
    """A member that passed every check, or the reason why it cannot run.

    Attributes:
        member: The config.
        plan: What would be run; None if that could not be found out.
        failure: Why ``plan`` is None: an engine that is not installed, a hub that does not answer.
    """

    member: Member
    plan: RunPlan | None
    failure: LLEnergyMeasureError | None = None


@dataclass(frozen=True)
class MemberOutcome:
    """How one config of a series ended.

    Attributes:
        source: Its file.
        config_name: Its name.
        status: Measured, failed, interrupted, or not run because the series was interrupted.
        experiment_id: None if no experiment was begun.
        result: The aggregate; None if there is none. A run without an answer failed and has one.
        error: Why it failed.
    """

    source: str
    config_name: str
    status: MemberStatus
    experiment_id: str | None = None
    result: AggregatedResult | None = None
    error: LLEnergyMeasureError | None = None


class SeriesInterruptedError(ExperimentInterruptedError):
    """Ctrl-C during a series; ``outcomes`` says what became of each config.

    Args:
        outcomes: Of every config, those that were not run among them.
        cause: The interruption of the experiment that ran; None if none did.
    """

    def __init__(
        self, outcomes: Sequence[MemberOutcome], cause: ExperimentInterruptedError | None = None
    ) -> None:
        if cause is None:
            rest = [one.source for one in outcomes if one.status is MemberStatus.NOT_RUN]
            cause = ExperimentInterruptedError(
                "interrupted; what was measured is kept",
                hint=f"measure the rest with: lem experiment {shlex.join(rest)}" if rest else None,
            )
        super().__init__(cause.message, hint=cause.hint)
        self.outcomes = tuple(outcomes)


def drop_repeats(files: Sequence[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Each file once, whatever it is called: ``a.yaml``, ``./a.yaml``, by its folder, by a link.

    Returns:
        The first name of each file, and for each name left out the pair of first name and it.
    """
    first: dict[str, str] = {}
    repeats = []
    for file in files:
        identity = _identify(file)
        if identity in first:
            repeats.append((first[identity], file))
        else:
            first[identity] = file
    return list(first.values()), repeats


def _identify(file: str) -> str:
    try:
        return os.path.realpath(file)
    except ValueError:  # no name that a file can have; loading it says so
        return file


def load_members(
    files: Sequence[str], load: Callable[[str], tuple[LoadedConfig, RunOptions]]
) -> list[Member]:
    """Load every file.

    Args:
        files: As they are named to the user, each once.
        load: Loads one.

    Raises:
        InvalidConfigError: With the problems of all files.
    """
    members: list[Member] = []
    problems: list[Problem] = []
    for file in files:
        try:
            members.append(Member(file, *load(file)))
        except ConfigurationError as error:
            problems += _list_problems(file, error)
    if problems:
        raise InvalidConfigError(problems, hint="nothing was run; mend these, or leave them out")
    return members


def plan_series(members: Sequence[Member], *, dry_run: bool = False) -> list[PlannedMember]:
    """Check everything that can be checked before the first config runs.

    Args:
        members: The configs.
        dry_run: Nothing is going to run, so energy sources are tried as well, each once.

    Raises:
        InvalidConfigError: With the problems of all configs whose input is wrong.
        SeriesInterruptedError: Ctrl-C, SIGTERM or SIGHUP.
    """
    tried: KnownTrials = {}

    def check(member: Member) -> RunPlan:
        if dry_run:
            return rehearse(member.loaded, member.options, tried)
        return plan(member.loaded, member.options)

    planned: list[PlannedMember] = []
    problems: list[Problem] = []
    try:
        with termination_as_interrupt():
            for member in members:
                try:
                    planned.append(PlannedMember(member, check(member)))
                except ConfigurationError as error:
                    problems += _list_problems(member.source, error)
                except LLEnergyMeasureError as error:
                    planned.append(PlannedMember(member, None, error))
    except KeyboardInterrupt as error:
        unrun = [_describe(member, MemberStatus.NOT_RUN) for member in members]
        raise SeriesInterruptedError(unrun) from error
    if problems:
        raise InvalidConfigError(problems, hint="nothing was run; mend these, or leave them out")
    return planned


def find_equal(members: Sequence[Member]) -> list[tuple[str, str]]:
    """Pairs of files whose settings are equal, names apart: the second repeats the first."""
    first: dict[str, str] = {}
    pairs = []
    for member in members:
        unnamed = member.loaded.config.model_copy(update={"config_name": "-"})
        known = first.setdefault(config_hash(unnamed), member.source)
        if known != member.source:
            pairs.append((known, member.source))
    return pairs


def run_series(
    planned: Sequence[PlannedMember],
    observer: ProgressObserver,
    on_end: Callable[[MemberOutcome], None],
) -> list[MemberOutcome]:
    """Run each config in turn, whatever becomes of the others.

    Args:
        planned: What to run.
        observer: Told about progress.
        on_end: Told how each ended, as soon as it has.

    Raises:
        SeriesInterruptedError: Ctrl-C, SIGTERM or SIGHUP; what was measured is kept.
    """
    outcomes: list[MemberOutcome] = []
    try:
        with termination_as_interrupt():
            for place, one in enumerate(planned, start=1):
                name = one.member.loaded.config.config_name
                observer.notice(f"{place} of {len(planned)}: {name} ({one.member.source})")
                outcomes.append(_run_member(one, observer))
                on_end(outcomes[-1])
    except _MemberInterruptedError as interrupted:
        rest = planned[len(outcomes) + 1 :]
        raise SeriesInterruptedError(
            [*outcomes, interrupted.outcome, *_not_run(rest)], interrupted.cause
        ) from interrupted
    except KeyboardInterrupt as error:
        # Between two configs, or while one is only being begun.
        raise SeriesInterruptedError([*outcomes, *_not_run(planned[len(outcomes) :])]) from error
    return outcomes


def _not_run(planned: Sequence[PlannedMember]) -> list[MemberOutcome]:
    return [_describe(one.member, MemberStatus.NOT_RUN) for one in planned]


class _MemberInterruptedError(Exception):
    def __init__(self, outcome: MemberOutcome, cause: ExperimentInterruptedError) -> None:
        super().__init__(cause.message)
        self.outcome = outcome
        self.cause = cause


def _run_member(planned: PlannedMember, observer: ProgressObserver) -> MemberOutcome:
    watched = _NotingObserver(observer)
    member = planned.member
    try:
        if planned.plan is None:
            assert planned.failure is not None, "without a plan there is a reason"
            raise planned.failure
        ended = run_planned(member.loaded, planned.plan, member.options, watched)
    except ExperimentInterruptedError as error:
        outcome = _describe(member, MemberStatus.INTERRUPTED, watched.experiment_id, error=error)
        raise _MemberInterruptedError(outcome, error) from error
    except LLEnergyMeasureError as error:
        return _describe(member, MemberStatus.FAILED, watched.experiment_id, error=error)
    except Exception as error:
        # Even a fault of ours must not cost the configs that come after it.
        logger.exception("%s failed unexpectedly", member.source)
        wrapped = LLEnergyMeasureError(f"{type(error).__name__}: {error}")
        return _describe(member, MemberStatus.FAILED, watched.experiment_id, error=wrapped)
    # What was saved without an answer in it stays with the failure.
    status = MemberStatus.MEASURED if ended.failure is None else MemberStatus.FAILED
    return _describe(member, status, ended.experiment_id, result=ended.result, error=ended.failure)


def _describe(
    member: Member,
    status: MemberStatus,
    experiment_id: str | None = None,
    *,
    result: AggregatedResult | None = None,
    error: LLEnergyMeasureError | None = None,
) -> MemberOutcome:
    name = member.loaded.config.config_name
    return MemberOutcome(member.source, name, status, experiment_id, result, error)


class _NotingObserver:
    """Passes everything on, and remembers which experiment was begun."""

    def __init__(self, observer: ProgressObserver) -> None:
        self._observer = observer
        self.experiment_id: str | None = None
        self.progress = observer.progress
        self.notice = observer.notice

    def started(self, experiment_id: str, log_file: str) -> None:
        self.experiment_id = experiment_id
        self._observer.started(experiment_id, log_file)


def _list_problems(source: str, error: ConfigurationError) -> list[Problem]:
    if isinstance(error, InvalidConfigError):
        return list(error.problems)
    hint = f" ({error.hint})" if error.hint else ""
    return [Problem(Place(source), "", f"{error.message}{hint}", "cannot_run")]
