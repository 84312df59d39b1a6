"""The errors a caller can meet.

LLEnergyMeasureError            base: message + hint + exit code
|- ConfigurationError           the input is wrong (exit 2)
|  |- UnknownBackendError
|  |- PromptSourceError
|  |- ModelNotFoundError
|  `- UnknownExperimentError
|- RunError                     the input is fine, the run failed (exit 1)
|  |- BackendError
|  |- EnergyBackendError
|  |  `- EnergyDevicesError        (exit 2)
|  |- HubUnreachableError
|  |- ChildProcessDiedError
|  `- StorageError
|     |- WrongPathError           (exit 2)
|     |- DamagedFileError
|     `- SchemaVersionError
|- InvalidStateTransitionError  a bug, or two processes on one experiment (exit 1)
`- ExperimentInterruptedError   Ctrl-C or SIGTERM (exit 130)
"""

from __future__ import annotations

from llenergymeasure.constants import (
    EXIT_INPUT_WRONG,
    EXIT_INTERRUPTED,
    EXIT_RUN_FAILED,
)


class LLEnergyMeasureError(Exception):
    """Base of every error raised on purpose.

    Args:
        message: What is wrong, and where.
        hint: What the user can do about it; shown on a line of its own.
    """

    exit_code: int = EXIT_RUN_FAILED

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigurationError(LLEnergyMeasureError):
    """The user's input is wrong: a config, a path, an option."""

    exit_code = EXIT_INPUT_WRONG


class UnknownBackendError(ConfigurationError):
    """No registered backend has that name, or its registration is broken."""


class PromptSourceError(ConfigurationError):
    """The prompts cannot be read, or there are none."""


class ModelNotFoundError(ConfigurationError):
    """The model is not at that path, not on the hub, or not open to this user."""


class UnknownExperimentError(ConfigurationError):
    """No experiment has that id."""


class RunError(LLEnergyMeasureError):
    """The run failed although the input was understood."""


class BackendError(RunError):
    """The inference engine failed."""


class EnergyBackendError(RunError):
    """The energy source cannot be set up."""


class EnergyDevicesError(EnergyBackendError):
    """A device that the user names for an energy source is not there: the input is wrong."""

    exit_code = EXIT_INPUT_WRONG


class HubUnreachableError(RunError):
    """The model hub did not answer and the model is not in the local cache."""


class ChildProcessDiedError(RunError):
    """The measuring process ended without a result."""


class StorageError(RunError):
    """A result or state file cannot be read or written."""


class WrongPathError(StorageError):
    """No file can be at the path that the user gave: a folder, a name too long, a loop of links."""

    exit_code = EXIT_INPUT_WRONG


class DamagedFileError(StorageError):
    """A stored file does not hold what was written there."""


class SchemaVersionError(StorageError):
    """A stored file was written by a version that this one cannot read."""


class InvalidStateTransitionError(LLEnergyMeasureError):
    """The experiment's state does not allow that step."""


class ExperimentInterruptedError(LLEnergyMeasureError):
    """The user stopped the experiment."""

    exit_code = EXIT_INTERRUPTED
