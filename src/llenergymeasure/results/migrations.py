"""Reading what older versions wrote: each step lifts a document by one version."""

from __future__ import annotations

from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from llenergymeasure.constants import RESULT_SCHEMA_VERSION
from llenergymeasure.domain.base import describe_refusal
from llenergymeasure.durable import DAMAGED_HINT, Migrations, parse_json
from llenergymeasure.exceptions import DamagedFileError

M = TypeVar("M", bound=BaseModel)

# version -> the function that turns a document of it into one of the next. Version 1 is the first.
RAW_MIGRATIONS: Final[Migrations] = {}
AGGREGATED_MIGRATIONS: Final[Migrations] = {}
# Markers only vouch for bytes, so they need no fields but those of version 1.
MARKER_MIGRATIONS: Final[Migrations] = {}


def parse_record(model: type[M], content: bytes, path: Path, migrations: Migrations) -> M:
    """``content`` of ``path`` as ``model``, lifted to the current version first.

    Raises:
        StorageError: It is damaged, or not what this model stores.
        SchemaVersionError: It is newer than this program, or too old for its migrations.
    """
    data = parse_json(content, path, version=RESULT_SCHEMA_VERSION, migrations=migrations)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise DamagedFileError(
            f"{path} does not hold what it should: {describe_refusal(error)}", hint=DAMAGED_HINT
        ) from error
