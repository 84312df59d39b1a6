"""Any sequence of calls, on files and in memory at once: both agree, and neither breaks a rule."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from llenergymeasure.domain.experiment import ExperimentStatus
from llenergymeasure.exceptions import ConfigurationError, InvalidStateTransitionError
from llenergymeasure.state.base import StateStore
from llenergymeasure.state.experiment_state import EXPERIMENT_VALID_TRANSITIONS, ExperimentState
from llenergymeasure.state.identity import current_identity
from llenergymeasure.state.manager import StateManager
from llenergymeasure.state.memory import MemoryStateManager

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
        self.stores: list[StateStore] = [StateManager(base / ".state"), MemoryStateManager()]
        self.results = base / "results"
        self.ids: list[tuple[str, str]] = []
        self.expected: dict[int, S] = {}
        self.owner_dead: dict[int, bool] = {}

    def teardown(self) -> None:
        self.folder.cleanup()

    def both(self, experiment: int, act) -> list[ExperimentState | type[Exception]]:
        """The outcome of one call on each store: the state, or the kind of the error."""
        outcomes: list[ExperimentState | type[Exception]] = []
        for store, experiment_id in zip(self.stores, self.ids[experiment], strict=True):
            try:
                outcomes.append(act(store, experiment_id))
            except (InvalidStateTransitionError, ConfigurationError) as error:
                outcomes.append(type(error))
        return outcomes

    @rule(target=experiments)
    def create(self) -> int:
        states = [
            store.create(
                config_name="c", config_hash="h", planned_cycles=1, results_dir=self.results
            )
            for store in self.stores
        ]
        number = len(self.ids)
        self.ids.append((states[0].experiment_id, states[1].experiment_id))
        self.expected[number] = S.INITIALISED
        self.owner_dead[number] = False
        return number

    @rule(experiment=experiments, to=st.sampled_from(S), reason=REASONS)
    def transition(self, experiment: int, to: S, reason: str | None) -> None:
        before = self.expected[experiment]
        outcomes = self.both(experiment, lambda s, i: s.transition(i, to, reason=reason))
        if to not in EXPERIMENT_VALID_TRANSITIONS[before]:
            assert outcomes == [InvalidStateTransitionError] * 2
            return
        self.expected[experiment] = to
        for state in outcomes:
            assert isinstance(state, ExperimentState)
            assert state.reason == reason
            assert state.owner is None or to in ACTIVE
        if before not in ACTIVE or to not in ACTIVE:
            # Ended ones have no owner; a claim's owner goes on.
            self.owner_dead[experiment] = self.owner_dead[experiment] and to in ACTIVE

    @rule(experiment=experiments)
    def mark_running(self, experiment: int) -> None:
        before = self.expected[experiment]
        outcomes = self.both(
            experiment, lambda s, i: s.mark_running(i, child_pid=None, context_file="c")
        )
        if S.RUNNING in EXPERIMENT_VALID_TRANSITIONS[before]:
            self.expected[experiment] = S.RUNNING
            self.owner_dead[experiment] = False
        else:
            assert outcomes == [InvalidStateTransitionError] * 2

    @rule(experiment=experiments)
    def owner_dies(self, experiment: int) -> None:
        def kill(store: StateStore, experiment_id: str) -> ExperimentState:
            state = store.load(experiment_id)
            if state.owner:
                store._save(state.model_copy(update={"owner": DEAD, "child": None}))
            return store.load(experiment_id)

        (state, _) = self.both(experiment, kill)
        assert isinstance(state, ExperimentState)
        self.owner_dead[experiment] = state.owner == DEAD

    @rule(experiment=experiments)
    def claim(self, experiment: int) -> None:
        before = self.expected[experiment]
        stale = before in ACTIVE and not self.is_alive(experiment)
        outcomes = self.both(experiment, lambda s, i: s.claim(i))
        if stale or before in (S.FAILED, S.INTERRUPTED):
            self.expected[experiment] = S.INTERRUPTED if stale else before
            self.owner_dead[experiment] = False
            assert all(
                isinstance(s, ExperimentState) and s.owner == current_identity() for s in outcomes
            )
        else:
            assert outcomes == [ConfigurationError] * 2

    @rule()
    def sweep(self) -> None:
        stale = [
            n for n, status in self.expected.items() if status in ACTIVE and not self.is_alive(n)
        ]
        for column, store in enumerate(self.stores):
            assert store.sweep_stale() == [self.ids[n][column] for n in stale]
        for n in stale:
            self.expected[n] = S.INTERRUPTED
            self.owner_dead[n] = False

    def is_alive(self, experiment: int) -> bool:
        """A running one with an unowned past (failed, then moved by hand) has nobody alive."""
        state = self.stores[1].load(self.ids[experiment][1])
        return state.owner is not None and not self.owner_dead[experiment]

    @invariant()
    def stores_agree_and_no_step_is_forbidden(self) -> None:
        for column, store in enumerate(self.stores):
            assert store.ids() == [pair[column] for pair in self.ids]
            for n, state in enumerate(store.states()):
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
