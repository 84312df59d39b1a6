"""Where an experiment stands: the record, and the steps that it may take."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from pydantic import AwareDatetime

from llenergymeasure.constants import STATE_SCHEMA_VERSION
from llenergymeasure.domain.base import Record
from llenergymeasure.domain.experiment import ExperimentStatus
from llenergymeasure.exceptions import InvalidStateTransitionError
from llenergymeasure.state.identity import ProcessIdentity

_S = ExperimentStatus

EXPERIMENT_VALID_TRANSITIONS: Final[dict[ExperimentStatus, frozenset[ExperimentStatus]]] = {
    _S.INITIALISED: frozenset({_S.RUNNING, _S.FAILED, _S.INTERRUPTED}),
    _S.RUNNING: frozenset({_S.COMPLETED, _S.FAILED, _S.INTERRUPTED}),
    _S.COMPLETED: frozenset({_S.AGGREGATED, _S.FAILED}),
    _S.FAILED: frozenset({_S.RUNNING}),
    _S.INTERRUPTED: frozenset({_S.RUNNING}),
    # Only when its results were lost: then it is measured again.
    _S.AGGREGATED: frozenset({_S.FAILED}),
}

ACTIVE: Final = frozenset({_S.INITIALISED, _S.RUNNING})
UNFINISHED: Final = frozenset({_S.FAILED, _S.INTERRUPTED})


class Step(Record):
    """One step that was taken."""

    to: ExperimentStatus
    at: AwareDatetime
    reason: str | None = None


class ExperimentState(Record):
    """The stored state of one experiment.

    Attributes:
        results_dir: The folder of its results when it was last run.
        results_from_here: The same as seen from the folder of this state: both may be moved.
        owner: The process that watches it while it runs, or that has claimed it.
        child: The process that measures.
        reason: Why it failed or was interrupted.
        exit_code: What the command ended with, where it is known.
        context_file: The saved context of the newest attempt.
        history: All steps, oldest first.
    """

    schema_version: int = STATE_SCHEMA_VERSION
    experiment_id: str
    config_name: str
    config_hash: str
    status: ExperimentStatus
    planned_cycles: int
    results_dir: str
    results_from_here: str | None = None
    created_at: AwareDatetime
    updated_at: AwareDatetime
    owner: ProcessIdentity | None = None
    child: ProcessIdentity | None = None
    reason: str | None = None
    exit_code: int | None = None
    context_file: str | None = None
    history: tuple[Step, ...] = ()

    def moved(
        self,
        to: ExperimentStatus,
        *,
        reason: str | None = None,
        exit_code: int | None = None,
        owner: ProcessIdentity | None = None,
        child: ProcessIdentity | None = None,
        context_file: str | None = None,
    ) -> ExperimentState:
        """The state after one step.

        Raises:
            InvalidStateTransitionError: The step is not allowed from here.
        """
        if to not in EXPERIMENT_VALID_TRANSITIONS[self.status]:
            allowed = sorted(EXPERIMENT_VALID_TRANSITIONS[self.status])
            raise InvalidStateTransitionError(
                f"experiment {self.experiment_id} is {self.status}, it cannot become {to}",
                hint=f"from here it can become: {', '.join(allowed) or 'nothing else'}",
            )
        now = datetime.now(UTC)
        return self.model_copy(
            update={
                "status": to,
                "updated_at": now,
                "reason": reason,
                "exit_code": exit_code,
                # Only what runs has processes: a later run of the same program must not be
                # taken for this one.
                "owner": (owner or self.owner) if to in ACTIVE else None,
                "child": child if to in ACTIVE else None,
                "context_file": context_file or self.context_file,
                "history": (*self.history, Step(to=to, at=now, reason=reason)),
            }
        )

    def is_alive(self) -> bool:
        """Whether a process that belongs to it runs, or may run where it cannot be seen."""
        known = [identity.alive() for identity in (self.owner, self.child) if identity]
        return any(alive is not False for alive in known)

    def is_stale(self) -> bool:
        """Whether it says that it is active, and every process that belonged to it has died."""
        return self.status in ACTIVE and not self.is_alive()

    def after_death(self) -> ExperimentState:
        """The state that a stale one should be in."""
        pid = self.owner.pid if self.owner else "unknown"
        return self.moved(ExperimentStatus.INTERRUPTED, reason=f"process {pid} died")
