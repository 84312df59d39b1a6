"""Idle power that was measured before: a file for each device and level, in the user's cache.

Whatever is wrong with the cache costs a measurement, never a run.
"""

from __future__ import annotations

import hashlib
import json
import logging
import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from platformdirs import user_cache_path
from pydantic import AwareDatetime, Field, ValidationError

from llenergymeasure.domain.base import Record
from llenergymeasure.domain.baseline import DomainBaseline
from llenergymeasure.durable import read_json, write_text
from llenergymeasure.exceptions import StorageError

logger = logging.getLogger(__name__)

_SCHEMA_VERSION: Final = 1
_MACHINE_ID: Final = Path("/etc/machine-id")


@dataclass(frozen=True)
class IdleSubject:
    """What was idle: a baseline of one is none of another.

    Attributes:
        level: See ``BaselineLevel``.
        domain: Name of the domain; of a device with an id only its kind.
        device_id: UUID of a device.
        source: Energy backend.
        method: How its joules came about.
        engine: Inference backend whose context is on the device; None at the level ``bare``.
        model: What is loaded, at the level ``loaded``.
    """

    level: str
    domain: str
    device_id: str | None
    source: str
    method: str
    engine: str | None = None
    model: str | None = None


class StoredIdle(Record):
    """Idle power as it is stored, in W (see ``DomainBaseline``)."""

    schema_version: int = _SCHEMA_VERSION
    machine: str
    subject: dict[str, str | None]
    power_w: float = Field(ge=0, allow_inf_nan=False)
    spread_w: float = Field(ge=0, allow_inf_nan=False)
    uncertainty_w: float = Field(ge=0, allow_inf_nan=False)
    duration_s: float = Field(gt=0, allow_inf_nan=False)
    samples: int = Field(gt=0)
    measured_at: AwareDatetime


class BaselineCache:
    """The stored idle powers of this machine.

    Args:
        folder: Where they lie; None is the user's cache.
        now: The time in UTC.
    """

    def __init__(
        self, folder: Path | None = None, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._folder = folder or user_cache_path("llenergymeasure") / "baselines"
        self._now = now
        self._machine = machine()

    def age_s(self, stored: StoredIdle) -> float:
        """How long ago it was measured."""
        return (self._now() - stored.measured_at).total_seconds()

    def get(self, subject: IdleSubject, ttl_s: float) -> StoredIdle | None:
        """What is stored and not older than ``ttl_s``; None if there is nothing to rely on."""
        path = self._path(subject)
        try:
            stored = StoredIdle.model_validate(
                read_json(path, version=_SCHEMA_VERSION, migrations={})
            )
        except FileNotFoundError:
            return None
        except (StorageError, ValidationError) as error:
            logger.warning("the stored idle power in %s is of no use: %s", path, error)
            return None
        if (stored.machine, stored.subject) != (self._machine, asdict(subject)):
            logger.warning("the stored idle power in %s is of something else", path)
            return None
        # One from the future was stored under another clock; its age is not known.
        return stored if 0 <= self.age_s(stored) <= ttl_s else None

    def put(self, subject: IdleSubject, baseline: DomainBaseline) -> None:
        """Store a baseline that was measured; of two processes at once the last one counts."""
        fields = set(StoredIdle.model_fields) - {"schema_version", "machine", "subject"}
        stored = StoredIdle.model_validate(
            {
                "machine": self._machine,
                "subject": asdict(subject),
                **baseline.model_dump(include=fields),
            }
        )
        try:
            write_text(self._path(subject), stored.model_dump_json(indent=2) + "\n")
        except StorageError as error:
            logger.warning("the idle power is not stored, the next run measures it anew: %s", error)

    def _path(self, subject: IdleSubject) -> Path:
        text = json.dumps([self._machine, asdict(subject)], sort_keys=True)
        return self._folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"


def machine(machine_id: Path = _MACHINE_ID) -> str:
    """This machine: its name, and a digest of its id where it has one (the id is a secret)."""
    try:
        secret = machine_id.read_bytes().strip()
    except OSError:
        secret = b""
    digest = hashlib.sha256(b"llenergymeasure idle power:" + secret).hexdigest()[:16]
    return f"{socket.gethostname()}-{digest}" if secret else socket.gethostname()
