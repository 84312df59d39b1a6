"""Everything the measuring process needs, frozen and saved before it starts."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, Field, ValidationError

from llenergymeasure.config.models import ExperimentConfig, config_model
from llenergymeasure.constants import CONTEXT_SCHEMA_VERSION
from llenergymeasure.domain.base import Record
from llenergymeasure.domain.experiment import PromptsInfo
from llenergymeasure.durable import read_stored, write_text
from llenergymeasure.exceptions import SchemaVersionError, StorageError
from llenergymeasure.security import resolve_within, safe_id


class ExperimentContext(Record):
    """One attempt at an experiment.

    Attributes:
        attempt: 1 for the first launch, 2 for the first resume, and so on.
        cycles: The cycles that this attempt has to measure, from 1.
        prompts: What the prompts were when the experiment was created; a resume must find the
            same.
        parent_pid: The process that watches the run; the measuring process ends with it.
    """

    schema_version: int = CONTEXT_SCHEMA_VERSION
    experiment_id: str
    attempt: int = Field(ge=1)
    config: dict[str, Any]
    config_hash: str
    provenance: dict[str, Any]
    prompts: PromptsInfo
    results_dir: str
    cycles: tuple[int, ...]
    planned_cycles: int
    created_at: AwareDatetime
    parent_pid: int

    @property
    def experiment_config(self) -> ExperimentConfig:
        """The resolved config, validated again (by the plug-ins of this process)."""
        energy = self.config["energy"]["backend"]
        return config_model(self.config["backend"], energy).model_validate(self.config)

    @property
    def run_dir(self) -> Path:
        """Where this experiment's raw files lie."""
        return run_dir(Path(self.results_dir), self.experiment_id)

    @property
    def path(self) -> Path:
        """Where this attempt's context is saved."""
        return context_path(self.run_dir, self.attempt)

    @property
    def events_path(self) -> Path:
        """Where the measuring process tells its progress."""
        return self.run_dir / f"events_{self.attempt}.jsonl"

    @property
    def log_path(self) -> Path:
        """The experiment's log file."""
        return self.run_dir / "logs" / f"{self.experiment_id}.log"

    @property
    def output_path(self) -> Path:
        """What the measuring process and its engine print."""
        return self.run_dir / "logs" / f"output_{self.attempt}.log"

    def save(self) -> Path:
        """Write it to its place."""
        write_text(self.path, self.model_dump_json(indent=2))
        return self.path


def run_dir(results_dir: Path, experiment_id: str) -> Path:
    """The folder of one experiment's raw files.

    Raises:
        ConfigurationError: The id, or a symbolic link, leads out of ``results_dir``.
    """
    return resolve_within(results_dir, "raw", safe_id(experiment_id))


def context_path(folder: Path, attempt: int) -> Path:
    """The saved context of one attempt."""
    return folder / f"context_{attempt}.json"


def load_context(path: Path) -> ExperimentContext:
    """Read a saved context.

    Raises:
        StorageError: It cannot be read.
        SchemaVersionError: Another version of this program wrote it.
    """
    try:
        data = json.loads(read_stored(path))
        version = data.get("schema_version")
        if version != CONTEXT_SCHEMA_VERSION:
            raise SchemaVersionError(
                f"{path} has schema version {version}; this lem reads {CONTEXT_SCHEMA_VERSION}",
                hint="use the lem that wrote it, or start the experiment anew",
            )
        return ExperimentContext.model_validate(data)
    except (OSError, ValueError, AttributeError, ValidationError) as error:
        raise StorageError(f"cannot read the saved context {path}: {error}") from error


def last_context(results_dir: Path, experiment_id: str) -> ExperimentContext:
    """The context of the newest attempt (see ``load_context``).

    Raises:
        StorageError: There is none, or it is not that of this experiment.
    """
    folder = run_dir(results_dir, experiment_id)
    names = [path.stem.removeprefix("context_") for path in folder.glob("context_*.json")]
    numbers = [int(name) for name in names if name.isdecimal()]
    if not numbers:
        raise StorageError(
            f"{folder} holds no saved context, so {experiment_id} cannot be resumed",
            hint="start the experiment anew with its config file",
        )
    path = context_path(folder, max(numbers))
    context = load_context(path)
    if context.experiment_id != experiment_id:
        raise StorageError(
            f"{path} is the context of {context.experiment_id!r}", hint="move it away"
        )
    # Where the results lie now; they may have been moved since.
    return context.model_copy(update={"results_dir": str(results_dir)})


def config_hash(config: ExperimentConfig) -> str:
    """16 hex digits that two configs share if they ask for the same run (``io`` left out)."""
    data = config.model_dump(mode="json", exclude={"io"})
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
