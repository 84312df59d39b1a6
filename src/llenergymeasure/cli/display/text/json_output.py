"""The one JSON document that ``--json`` promises on stdout."""

from __future__ import annotations

import dataclasses
import json
import sys
from enum import Enum
from pathlib import Path
from typing import Any


def write_json(document: Any) -> None:
    """Write a document to stdout in one piece: plain data, dataclasses or pydantic models."""
    sys.stdout.write(json.dumps(document, indent=2, default=_plain, allow_nan=False) + "\n")
    sys.stdout.flush()


def _plain(value: Any) -> Any:
    if hasattr(value, "model_dump_json"):
        # Through JSON, because that turns a NaN into null.
        return json.loads(value.model_dump_json())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # Shallow: what is inside comes through here again.
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, Path | Enum):
        return str(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")
