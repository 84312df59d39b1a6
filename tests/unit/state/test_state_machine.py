"""Any sequence of calls: the store does what the rules say, and breaks none."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from llenergymeasure.domain.experiment import ExperimentStatus
from llenergymeasure.exceptions import ConfigurationError, InvalidStateTransitionError
from llenergymeasure.state.experiment_state import EXPERIMENT_VALID_TRANSITIONS, ExperimentState
from llenergymeasure.state.identity import current_identity
from llenergymeasure.state.manager import StateManager

S = ExperimentStatus
ACTIVE = {S.INITIALISED, S.RUNNING}
# Older than any process: nothing that runs now can be it.
DEAD = current_identity().model_copy(update={"pid": 2**22 + 1, "start_time_s": -10.0})
REASONS = st.none() | st.sampled_from(["out of memory", "stopped by the user"])


class Machine(RuleBasedStateMachine):
    experiments = Bundle("experiments")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        base = Path(self.folder.name)
        self.store = StateManager(base / ".state")
        self.results = base / "results"
        self.ids: list[str] = []
        self.expected: dict[int, S] = {}
        self.owner_dead: dict[int, bool] = {}

    def teardown(self) -> None:
        self.folder.cleanup()

    def attempt(self, experiment: int, act) -> ExperimentState | type[Exception]:
        """The outcome of one call: the state, or the kind of the error."""
        try:
            return act(self.ids[experiment])
        except (InvalidStateTransitionError, ConfigurationError) as error:
            return type(error)

    @rule(target=experiments)
    def create(self) -> int:
        state = self.store.create(
            config_name="c", config_hash="h", planned_cycles=1, results_dir=self.results
        )
        number = len(self.ids)
        self.ids.append(state.experiment_id)
        self.expected[number] = S.INITIALISED
        self.owner_dead[number] = False
        return number

    @rule(experiment=experiments, to=st.sampled_from(S), reason=REASONS)
    def transition(self, experiment: int, to: S, reason: str | None) -> None:
        before = self.expected[experiment]
        outcome = self.attempt(experiment, lambda i: self.store.transition(i, to, reason=reason))
        if to not in EXPERIMENT_VALID_TRANSITIONS[before]:
            assert outcome is InvalidStateTransitionError
            return
        self.expected[experiment] = to
        assert isinstance(outcome, ExperimentState)
        assert outcome.reason == reason
        assert outcome.owner is None or to in ACTIVE
        if before not in ACTIVE or to not in ACTIVE:
            # Ended ones have no owner; a claim's owner goes on.
            self.owner_dead[experiment] = self.owner_dead[experiment] and to in ACTIVE

    @rule(experiment=experiments)
    def mark_running(self, experiment: int) -> None:
        before = self.expected[experiment]
        outcome = self.attempt(
            experiment, lambda i: self.store.mark_running(i, child_pid=None, context_file="c")
        )
        if S.RUNNING in EXPERIMENT_VALID_TRANSITIONS[before]:
            self.expected[experiment] = S.RUNNING
            self.owner_dead[experiment] = False
        else:
            assert outcome is InvalidStateTransitionError

    @rule(experiment=experiments)
    def owner_dies(self, experiment: int) -> None:
        state = self.store.load(self.ids[experiment])
        if state.owner:
            state = state.model_copy(update={"owner": DEAD, "child": None})
            self.store._save(state)
        self.owner_dead[experiment] = state.owner == DEAD

    @rule(experiment=experiments)
    def claim(self, experiment: int) -> None:
        before = self.expected[experiment]
        stale = before in ACTIVE and not self.is_alive(experiment)
        outcome = self.attempt(experiment, self.store.claim)
        if stale or before in (S.FAILED, S.INTERRUPTED):
            self.expected[experiment] = S.INTERRUPTED if stale else before
            self.owner_dead[experiment] = False
            assert isinstance(outcome, ExperimentState)
            assert outcome.owner == current_identity()
        else:
            assert outcome is ConfigurationError

    @rule()
    def sweep(self) -> None:
        stale = [
            n for n, status in self.expected.items() if status in ACTIVE and not self.is_alive(n)
        ]
        assert self.store.sweep_stale() == [self.ids[n] for n in stale]
        for n in stale:
            self.expected[n] = S.INTERRUPTED
            self.owner_dead[n] = False

    def is_alive(self, experiment: int) -> bool:
        """A running one with an unowned past (failed, then moved by hand) has nobody alive."""
        state = self.store.load(self.ids[experiment])
        return state.owner is not None and not self.owner_dead[experiment]

    @invariant()
    def no_step_is_forbidden(self) -> None:
        assert self.store.ids() == self.ids
        for n, state in enumerate(self.store.states()):
            assert state.status is self.expected[n]
            steps = [step.to for step in state.history]
            assert steps[0] is S.INITIALISED
            assert steps[-1] is state.status
            for one, next_one in itertools.pairwise(steps):
                assert next_one in EXPERIMENT_VALID_TRANSITIONS[one]
            times = [step.at for step in state.history]
            assert times == sorted(times)


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=30, stateful_step_count=25)
