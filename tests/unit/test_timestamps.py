"""A stored time says in which zone it is: without one it could be of anywhere."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from datetime import UTC, datetime
from types import UnionType
from typing import Any, get_args

import pytest
from pydantic import ValidationError

import llenergymeasure
from llenergymeasure.domain.base import Record
from llenergymeasure.domain.experiment import ExperimentStatus
from llenergymeasure.state.experiment_state import Step

ROOMS = ("domain", "results", "state", "orchestration", "config")


def records(of: type[Record] = Record) -> Iterator[type[Record]]:
    for kind in of.__subclasses__():
        yield kind
        yield from records(kind)


def test_every_time_in_a_record_has_a_zone() -> None:
    for room in ROOMS:
        package = importlib.import_module(f"{llenergymeasure.__name__}.{room}")
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(found.name)
    bare = [
        f"{kind.__name__}.{name}"
        for kind in records()
        for name, field in kind.model_fields.items()
        if datetime in flatten(field.annotation)
    ]
    assert bare == []
    assert len(list(records())) > 20


def flatten(annotation: Any) -> list[Any]:
    return [annotation] if not isinstance(annotation, UnionType) else list(get_args(annotation))


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        Step(to=ExperimentStatus.RUNNING, at=datetime(2030, 1, 1))
    assert Step(to=ExperimentStatus.RUNNING, at=datetime(2030, 1, 1, tzinfo=UTC))
