"""Finding a model on the hub: one directory on this disk, or one clear error within seconds.

huggingface_hub itself honours HF_HOME, HF_TOKEN, HF_HUB_OFFLINE and HF_ENDPOINT. Texts of its
errors are not repeated, since a server may put anything into them.
"""

from __future__ import annotations

import logging
import queue
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from llenergymeasure.core.quiet import quieten_hub
from llenergymeasure.exceptions import HubUnreachableError, ModelNotFoundError, StorageError

_log = logging.getLogger(__name__)

_REQUEST_TIMEOUT_S = 5.0
# Longer than the request's own limit, which does not cover a name server that is silent.
_ANSWER_TIMEOUT_S = 8.0

_CONFIGS = ["*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken"]
_SAFETENSORS = "*.safetensors"
_PICKLED = "*.bin"
# Subfolders and these hold the same weights again, in the forms of other programs.
_IGNORE = ["*/*", "consolidated*", "training_args.bin"]

_ACCESS_HINT = (
    "check the name; if the model is private or gated, accept its licence on its page and set "
    "HF_TOKEN to a token that may read it"
)
_OFFLINE_HINT = "use a local directory or builtin:tiny-llama, or download the model beforehand"


@dataclass(frozen=True)
class HubModel:
    """A model of the hub that is on this disk.

    Attributes:
        path: Its snapshot directory.
        commit: The commit that the revision stood for.
    """

    path: Path
    commit: str


def resolve_hub_model(model_id: str, revision: str | None = None) -> HubModel:
    """Bring a model to this disk, or find it in the cache when the hub does not answer.

    Raises:
        ModelNotFoundError: Invalid, unknown or closed to this user, or no such revision.
        HubUnreachableError: No answer within seconds, and it is not in the cache.
        StorageError: The cache cannot be written.
    """
    quieten_hub()
    _check_id(model_id)
    if _offline():
        return _from_cache(model_id, revision, "HF_HUB_OFFLINE is set")
    try:
        listing = _ask(model_id, revision)
        return _download(model_id, revision, listing)
    except _NoAnswerError as silence:
        cached = _from_cache(model_id, revision, str(silence))
        _log.warning("%s; using the cached copy of %s", silence, model_id)
        return cached
    except _RefusedError as refusal:
        return _cached_although_refused(model_id, revision, refusal)


class _NoAnswerError(Exception):
    """The hub did not answer, or not sensibly; the text says how."""


class _RefusedError(Exception):
    """The hub does not show the model to this user."""


def _check_id(model_id: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(model_id)
    except HFValidationError as error:
        raise ModelNotFoundError(
            f"{model_id!r} is neither a directory nor a valid model id",
            hint="an id looks like name or owner/name; a path starts with /, ./ or ~",
        ) from error


def _offline() -> bool:
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def _endpoint() -> str:
    from huggingface_hub import constants

    # Without the user and password that a mirror's address may hold.
    parts = urlsplit(constants.ENDPOINT)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def _ask(model_id: str, revision: str | None) -> Any:
    """What the hub knows of the model, asked in a thread: a name server cannot be hurried."""
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def ask() -> None:
        from huggingface_hub import HfApi

        try:
            answers.put(HfApi().model_info(model_id, revision=revision, timeout=_REQUEST_TIMEOUT_S))
        except Exception as error:  # noqa: BLE001 it is raised again in the caller's thread
            answers.put(error)

    threading.Thread(target=ask, daemon=True, name="lem-hub").start()
    try:
        answer = answers.get(timeout=_ANSWER_TIMEOUT_S)
    except queue.Empty:
        raise _NoAnswerError(
            f"{_endpoint()} did not answer within {_ANSWER_TIMEOUT_S:.0f} s"
        ) from None
    if isinstance(answer, Exception):
        raise _translated(answer, model_id, revision) from answer
    return answer


def _download(model_id: str, revision: str | None, listing: Any) -> HubModel:
    from huggingface_hub import snapshot_download

    names = [file.rfilename for file in listing.siblings or () if "/" not in file.rfilename]
    weights = _SAFETENSORS if any(name.endswith(".safetensors") for name in names) else _PICKLED
    try:
        path = snapshot_download(
            model_id,
            revision=revision,
            etag_timeout=_REQUEST_TIMEOUT_S,
            allow_patterns=[*_CONFIGS, weights],
            ignore_patterns=_IGNORE,
        )
    except Exception as error:
        raise _translated(error, model_id, revision) from error
    return HubModel(Path(path), Path(path).name)


def _from_cache(model_id: str, revision: str | None, reason: str) -> HubModel:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        path = snapshot_download(
            model_id,
            revision=revision,
            local_files_only=True,
            allow_patterns=[*_CONFIGS, _SAFETENSORS],
            ignore_patterns=_IGNORE,
        )
    except LocalEntryNotFoundError as error:
        at = f" at revision {revision!r}" if revision else ""
        raise HubUnreachableError(
            f"model {model_id!r}{at} is not complete in the local cache, and {reason}",
            hint=_OFFLINE_HINT,
        ) from error
    return HubModel(Path(path), Path(path).name)


def _cached_although_refused(
    model_id: str, revision: str | None, refusal: _RefusedError
) -> HubModel:
    """A copy fetched earlier, with a token that is not set today, is still the user's."""
    try:
        cached = _from_cache(model_id, revision, str(refusal))
    except HubUnreachableError:
        raise ModelNotFoundError(str(refusal), hint=_ACCESS_HINT) from refusal
    _log.warning("%s; using the cached copy", refusal)
    return cached


def _translated(error: Exception, model_id: str, revision: str | None) -> Exception:
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RevisionNotFoundError,
    )

    if isinstance(error, RevisionNotFoundError):
        return ModelNotFoundError(
            f"model {model_id!r} has no revision {revision!r} on {_endpoint()}",
            hint="give a branch, a tag or a whole commit hash that its page lists",
        )
    if isinstance(error, GatedRepoError):
        return _RefusedError(f"model {model_id!r} is gated, and not open to you")
    if isinstance(error, HfHubHTTPError):
        return _of_status(error.response.status_code, model_id)
    if isinstance(error, LocalEntryNotFoundError):
        return _NoAnswerError(f"{_endpoint()} stopped answering during the download")
    if isinstance(error, OSError) and error.errno is not None and error.filename is not None:
        return StorageError(
            f"cannot write {error.filename}: {error.strerror}",
            hint="free space there, or point HF_HOME to another folder",
        )
    return _NoAnswerError(f"{_endpoint()} cannot be reached ({type(error).__name__})")


def _of_status(status: int, model_id: str) -> Exception:
    if status in (401, 403):
        return _RefusedError(
            f"{_endpoint()} shows no model {model_id!r} to you (HTTP {status}): it does not exist, "
            "or it is private or gated"
        )
    if status == 429 or status >= 500:
        return _NoAnswerError(f"{_endpoint()} answered with HTTP {status}")
    return ModelNotFoundError(
        f"there is no model {model_id!r} on {_endpoint()} (HTTP {status})", hint=_ACCESS_HINT
    )
