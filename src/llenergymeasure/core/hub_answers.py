"""What is wanted of the hub, and what its answers mean: one clear error of ours for each.

Texts of its own errors are not repeated, since a server may put anything into them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from llenergymeasure.exceptions import (
    HubUnreachableError,
    LLEnergyMeasureError,
    ModelNotFoundError,
    PromptSourceError,
    StorageError,
)

_SAFETENSORS = "*.safetensors"
_PICKLED = "*.bin"

ACCESS_HINT = (
    "check the name; if the {kind} is private or gated, accept its licence on its page and set "
    "HF_TOKEN to a token that may read it"
)
_OFFLINE_HINTS = {
    "model": "use a local directory or builtin:tiny-llama, or download the model beforehand",
    "dataset": "use a local file or directory, or 'type: builtin', or download the dataset "
    "beforehand",
}


@dataclass(frozen=True)
class Wish:
    """What is to be brought to this disk."""

    kind: Literal["model", "dataset"]
    repo_id: str
    revision: str | None
    patterns: tuple[str, ...]
    ignore: tuple[str, ...] = ()
    weights: bool = False

    @property
    def words(self) -> str:
        return f"{self.kind} {self.repo_id!r}"

    def choose_files(self, names: Sequence[str] | None = None) -> list[str]:
        """Patterns of the files; ``names`` is what the hub lists, None if it is not known."""
        if not self.weights:
            return list(self.patterns)
        pickled = names is not None and not any(name.endswith(".safetensors") for name in names)
        return [*self.patterns, _PICKLED if pickled else _SAFETENSORS]

    def not_found(self, message: str, hint: str) -> LLEnergyMeasureError:
        error = ModelNotFoundError if self.kind == "model" else PromptSourceError
        return error(message, hint=hint)


class NoAnswerError(Exception):
    """The hub did not answer, or not sensibly; the text says how."""


class RefusedError(Exception):
    """The hub does not show it to this user."""


def endpoint() -> str:
    """Host and port of the hub, for messages."""
    from huggingface_hub import constants

    # Without the user and password that a mirror's address may hold.
    parts = urlsplit(constants.ENDPOINT)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def not_cached(wish: Wish, reason: str) -> HubUnreachableError:
    """The error where neither hub nor cache has it."""
    at = f" at revision {wish.revision!r}" if wish.revision else ""
    return HubUnreachableError(
        f"{wish.words}{at} is not complete in the local cache, and {reason}",
        hint=_OFFLINE_HINTS[wish.kind],
    )


def translate_errors(error: Exception, wish: Wish) -> Exception:
    """An error of huggingface_hub as one of ours, or as ``NoAnswerError`` or ``RefusedError``."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RevisionNotFoundError,
    )

    if isinstance(error, RevisionNotFoundError):
        return wish.not_found(
            f"{wish.words} has no revision {wish.revision!r} on {endpoint()}",
            hint="give a branch, a tag or a whole commit hash that its page lists",
        )
    if isinstance(error, GatedRepoError):
        return RefusedError(f"{wish.words} is gated, and not open to you")
    if isinstance(error, HfHubHTTPError):
        return _of_status(error.response.status_code, wish)
    if isinstance(error, LocalEntryNotFoundError):
        return NoAnswerError(f"{endpoint()} stopped answering during the download")
    if isinstance(error, OSError) and error.errno is not None and error.filename is not None:
        return StorageError(
            f"cannot write {error.filename}: {error.strerror}",
            hint="free space there, or point HF_HOME to another folder",
        )
    return NoAnswerError(f"{endpoint()} cannot be reached ({type(error).__name__})")


def _of_status(status: int, wish: Wish) -> Exception:
    if status in (401, 403):
        return RefusedError(
            f"{endpoint()} shows no {wish.words} to you (HTTP {status}): it does not exist, "
            "or it is private or gated"
        )
    if status == 429 or status >= 500:
        return NoAnswerError(f"{endpoint()} answered with HTTP {status}")
    return wish.not_found(
        f"there is no {wish.words} on {endpoint()} (HTTP {status})",
        ACCESS_HINT.format(kind=wish.kind),
    )
