"""The common form of every stored model: frozen, and strict about what it holds."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A frozen record. Unknown fields are refused, so a typo in our own code cannot hide."""

    model_config = ConfigDict(frozen=True, extra="forbid")
