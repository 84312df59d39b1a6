"""The user's own file: ``.lem-config.yaml`` here, else ``config.yaml`` in the platform's folder.

results_dir: ~/measurements      # where results go unless a config or the command line says
verbosity: normal                # quiet, normal or verbose
defaults:                        # config values under those of every config file
dtype: bfloat16
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from llenergymeasure.config.problems.from_pydantic import problems_of
from llenergymeasure.config.problems.report import InvalidConfigError, KeyPath, Place
from llenergymeasure.config.sources.yaml_file import Document, read_document

USER_FILE = ".lem-config.yaml"
_REMEDY = "it holds your preferences: mend it, or remove it to go on without"


class UserConfig(BaseModel):
    """Preferences of one user on one machine."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    results_dir: str | None = Field(None, min_length=1, description="Where results go.")
    verbosity: Literal["quiet", "normal", "verbose"] = Field(
        "normal", description="How much is said."
    )
    defaults: dict[str, Any] = Field(
        default_factory=dict, description="Config values under those of every config file."
    )


def user_file_paths() -> list[Path]:
    """Where the user's file may lie; the first that exists is taken."""
    import platformdirs

    return [Path(USER_FILE), platformdirs.user_config_path("llenergymeasure") / "config.yaml"]


def load_user_config() -> tuple[UserConfig, Document | None]:
    """The user's preferences, and their ``defaults`` as a document with places.

    Raises:
        InvalidConfigError: The file is there, but wrong.
    """
    path = next((p for p in user_file_paths() if os.path.lexists(p)), None)
    if path is None:
        return UserConfig(), None
    try:
        document = read_document(path, may_be_empty=True)
    except InvalidConfigError as error:
        raise InvalidConfigError(error.problems, hint=_REMEDY) from error
    # A key whose values are all commented out has the value null.
    given = {key: value for key, value in document.data.items() if value is not None}
    try:
        config = UserConfig.model_validate(given)
    except ValidationError as error:
        source = Place(document.source)
        raise InvalidConfigError(
            problems_of(error, UserConfig, document.places, source, {}), hint=_REMEDY
        ) from error
    places: dict[KeyPath, Place] = {
        key[1:]: place for key, place in document.places.items() if key[0] == "defaults" and key[1:]
    }
    return config, Document(document.source, config.defaults, places)


def user_file_text(results_dir: str, verbosity: str) -> str:
    """The text of a user's file with these values."""
    return (
        "# Preferences of lem in this folder; made by: lem init\n"
        f"results_dir: {json.dumps(results_dir)}\n"
        f"verbosity: {verbosity}   # quiet, normal or verbose\n"
        "\n"
        "# Config values under those of every config file:\n"
        "# defaults:\n"
        "#   dtype: bfloat16\n"
    )
