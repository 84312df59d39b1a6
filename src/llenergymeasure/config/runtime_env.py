"""Environment variables that say where files go and which process this is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from llenergymeasure.config.sources.dotenv import place_of_variable
from llenergymeasure.constants import (
    DEFAULT_RESULTS_DIR,
    DEFAULT_STATE_DIR,
    POWERCAP_ROOT_ENV,
    RESULTS_DIR_ENV,
    STATE_DIR_ENV,
    SYSTEM_POWERCAP,
)
from llenergymeasure.exceptions import ConfigurationError


@dataclass(frozen=True)
class Rank:
    """This process among those of one experiment (torchrun's and accelerate's variables).

    Attributes:
        local_index: Among those of its host.
    """

    index: int
    count: int
    local_index: int

    @property
    def reads_machine(self) -> bool:
        """Whether what is the machine's is read here: in one process of each host."""
        return self.local_index == 0


def current_rank(env: Mapping[str, str] = os.environ) -> Rank:
    """Read RANK, WORLD_SIZE and LOCAL_RANK; a single process without them.

    Without LOCAL_RANK all are taken to run on one host.

    Raises:
        ConfigurationError: One of them is not a number, or they contradict each other.
    """
    try:
        rank = Rank(
            index=int(env.get("RANK", "0")),
            count=int(env.get("WORLD_SIZE", "1")),
            local_index=int(env.get("LOCAL_RANK") or env.get("RANK", "0")),
        )
    except ValueError as error:
        raise ConfigurationError(f"RANK, WORLD_SIZE or LOCAL_RANK is no number: {error}") from error
    if not 0 <= rank.index < rank.count:
        raise ConfigurationError(f"RANK={rank.index} does not fit WORLD_SIZE={rank.count}")
    return rank


def results_dir(
    *,
    option: str | None = None,
    config: str | None = None,
    user: str | None = None,
    env: Mapping[str, str] = os.environ,
) -> Path:
    """Where results go: command line, config, environment, the user's file, the default.

    Raises:
        ConfigurationError: It can be no path.
    """
    given = env.get(RESULTS_DIR_ENV, "")
    asked = (
        (option, "--results-dir"),
        (config, "io.results_dir of the config"),
        (given, str(place_of_variable(RESULTS_DIR_ENV, given))),
        (user, "results_dir of the user file"),
    )
    chosen, origin = next(((t, o) for t, o in asked if t), (DEFAULT_RESULTS_DIR, "the default"))
    return _folder(chosen, "results", origin)


def state_dir(env: Mapping[str, str] = os.environ) -> Path:
    """Where state files go.

    Raises:
        ConfigurationError: It can be no path.
    """
    given = env.get(STATE_DIR_ENV)
    origin = str(place_of_variable(STATE_DIR_ENV, given)) if given else "the default"
    return _folder(given or DEFAULT_STATE_DIR, "state", origin)


def powercap_root(option: str | None = None, env: Mapping[str, str] = os.environ) -> Path:
    """Where the kernel shows the CPU's energy counters: the option, the variable, the system's."""
    return Path(option or env.get(POWERCAP_ROOT_ENV) or SYSTEM_POWERCAP)


def _folder(text: str, what: str, origin: str) -> Path:
    try:
        return Path(text).expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:  # a NUL byte, ~nobody, a loop of links
        raise ConfigurationError(
            f"the {what} folder {text!r} ({origin}) can be no path: {error}"
        ) from error
