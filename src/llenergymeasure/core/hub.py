"""Models and datasets of the hub: a directory on this disk, or one clear error within seconds.

huggingface_hub itself honours HF_HOME, HF_TOKEN, HF_HUB_OFFLINE and HF_ENDPOINT. Texts of its
errors are not repeated, since a server may put anything into them.
"""

from __future__ import annotations

import logging
import queue
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from llenergymeasure.core.quiet import quieten_hub
from llenergymeasure.exceptions import (
    HubUnreachableError,
    LLEnergyMeasureError,
    ModelNotFoundError,
    PromptSourceError,
    StorageError,
)

_log = logging.getLogger(__name__)

_REQUEST_TIMEOUT_S = 5.0
# Longer than the request's own limit, which does not cover a name server that is silent.
_ANSWER_TIMEOUT_S = 8.0

_CONFIGS = ["*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken"]
_CODE = "*.py"
_SAFETENSORS = "*.safetensors"
_PICKLED = "*.bin"
# Subfolders and these hold the same weights again, in the forms of other programs.
_IGNORE = ["*/*", "consolidated*", "training_args.bin"]

_ACCESS_HINT = (
    "check the name; if the {kind} is private or gated, accept its licence on its page and set "
    "HF_TOKEN to a token that may read it"
)
_OFFLINE_HINTS = {
    "model": "use a local directory or builtin:tiny-llama, or download the model beforehand",
    "dataset": "use a local file or directory, or 'type: builtin', or download the dataset "
    "beforehand",
}
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class HubModel:
    """A model, or a dataset, of the hub that is on this disk.

    Attributes:
        path: Its snapshot directory.
        commit: The commit that the revision stood for.
    """

    path: Path
    commit: str


@dataclass(frozen=True)
class _Wish:
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


def find_offline(
    model_id: str, revision: str | None = None, *, weights: bool = True
) -> HubModel | None:
    """Cheap: the copy in the cache if the hub is switched off; None if the hub may be asked.

    Raises:
        ModelNotFoundError: The id is no id.
        HubUnreachableError: It cannot be had.
    """
    if not _offline():
        return None
    wish = _Wish("model", model_id, revision, tuple(_CONFIGS), tuple(_IGNORE), weights=weights)
    _check_id(wish)
    return _from_cache(wish, "HF_HUB_OFFLINE is set")


def find_cached(model_id: str, revision: str | None = None) -> Path | None:
    """The snapshot of a model in the cache, whole or not; the hub is not asked.

    Raises:
        ModelNotFoundError: The id is no id.
    """
    _check_id(_Wish("model", model_id, revision, ()))
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(model_id, "config.json", revision=revision)
    return Path(found).parent if isinstance(found, str) else None


def resolve_hub_model(
    model_id: str, revision: str | None = None, *, weights: bool = True, code: bool = False
) -> HubModel:
    """Bring a model to this disk, or find it in the cache when the hub does not answer.

    Args:
        model_id: ``owner/name``.
        revision: Branch, tag or commit; None is the default branch.
        weights: False brings only the small files: config and tokenizer.
        code: Bring Python files too.

    Raises:
        ModelNotFoundError: Invalid, unknown or closed to this user, or no such revision.
        HubUnreachableError: No answer within seconds, and it is not in the cache.
        StorageError: The cache cannot be written.
    """
    patterns = (*_CONFIGS, _CODE) if code else tuple(_CONFIGS)
    return _resolve(_Wish("model", model_id, revision, patterns, tuple(_IGNORE), weights=weights))


def hint_to_fetch(model_id: str, revision: str | None = None) -> str:
    """How a person brings a model here again, of which something is missing or broken."""
    at = f" --revision {revision}" if revision else ""
    online = "unset HF_HUB_OFFLINE, then " if _offline() else ""
    return (
        f"{online}fetch it again: hf download {model_id}{at} --force-download; if it is not there "
        "either, choose a repository that holds the model in the form of transformers"
    )


def resolve_hub_dataset(dataset_id: str, revision: str | None, patterns: Sequence[str]) -> HubModel:
    """Bring the files of a dataset that match ``patterns`` (see ``resolve_hub_model``).

    Raises:
        PromptSourceError: Invalid, unknown or closed to this user, or no such revision.
        HubUnreachableError: No answer within seconds, and they are not in the cache.
        StorageError: The cache cannot be written.
    """
    wish = _Wish("dataset", dataset_id, revision, tuple(patterns))
    if revision is not None and _COMMIT.fullmatch(revision):
        # A commit never changes: what is here needs no hub, and a resume gets the same.
        try:
            return _from_cache(wish, "it is not here yet")
        except HubUnreachableError:
            pass
    return _resolve(wish)


def _resolve(wish: _Wish) -> HubModel:
    quieten_hub()
    _check_id(wish)
    if _offline():
        return _from_cache(wish, "HF_HUB_OFFLINE is set")
    try:
        return _download(wish, _ask(wish))
    except _NoAnswerError as silence:
        cached = _from_cache(wish, str(silence))
        _log.warning("%s; using the cached copy of %s", silence, wish.repo_id)
        return cached
    except _RefusedError as refusal:
        return _find_cached_although_refused(wish, refusal)


class _NoAnswerError(Exception):
    """The hub did not answer, or not sensibly; the text says how."""


class _RefusedError(Exception):
    """The hub does not show it to this user."""


def _check_id(wish: _Wish) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(wish.repo_id)
    except HFValidationError as error:
        path = "a directory" if wish.kind == "model" else "a file, a directory"
        raise wish.not_found(
            f"{wish.repo_id!r} is neither {path} nor a valid {wish.kind} id",
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


def _ask(wish: _Wish) -> Any:
    """What the hub knows of it, asked in a thread: a name server cannot be hurried."""
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def ask() -> None:
        from huggingface_hub import HfApi

        try:
            answers.put(
                HfApi().repo_info(
                    wish.repo_id,
                    repo_type=wish.kind,
                    revision=wish.revision,
                    timeout=_REQUEST_TIMEOUT_S,
                )
            )
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
        raise _translate_errors(answer, wish) from answer
    return answer


def _download(wish: _Wish, listing: Any) -> HubModel:
    from huggingface_hub import snapshot_download

    names = [file.rfilename for file in listing.siblings or () if "/" not in file.rfilename]
    try:
        path = snapshot_download(
            wish.repo_id,
            repo_type=wish.kind,
            revision=wish.revision,
            etag_timeout=_REQUEST_TIMEOUT_S,
            allow_patterns=wish.choose_files(names),
            ignore_patterns=list(wish.ignore) or None,
        )
    except Exception as error:
        raise _translate_errors(error, wish) from error
    return HubModel(Path(path), Path(path).name)


def _from_cache(wish: _Wish, reason: str) -> HubModel:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        path = snapshot_download(
            wish.repo_id,
            repo_type=wish.kind,
            revision=wish.revision,
            local_files_only=True,
            allow_patterns=wish.choose_files(),
            ignore_patterns=list(wish.ignore) or None,
        )
    except LocalEntryNotFoundError as error:
        raise _not_cached(wish, reason) from error
    return HubModel(Path(path), Path(path).name)


def _not_cached(wish: _Wish, reason: str) -> HubUnreachableError:
    at = f" at revision {wish.revision!r}" if wish.revision else ""
    return HubUnreachableError(
        f"{wish.words}{at} is not complete in the local cache, and {reason}",
        hint=_OFFLINE_HINTS[wish.kind],
    )


def _find_cached_although_refused(wish: _Wish, refusal: _RefusedError) -> HubModel:
    """A copy fetched earlier, with a token that is not set today, is still the user's."""
    try:
        cached = _from_cache(wish, str(refusal))
    except HubUnreachableError:
        raise wish.not_found(str(refusal), _ACCESS_HINT.format(kind=wish.kind)) from refusal
    _log.warning("%s; using the cached copy", refusal)
    return cached


def _translate_errors(error: Exception, wish: _Wish) -> Exception:
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RevisionNotFoundError,
    )

    if isinstance(error, RevisionNotFoundError):
        return wish.not_found(
            f"{wish.words} has no revision {wish.revision!r} on {_endpoint()}",
            hint="give a branch, a tag or a whole commit hash that its page lists",
        )
    if isinstance(error, GatedRepoError):
        return _RefusedError(f"{wish.words} is gated, and not open to you")
    if isinstance(error, HfHubHTTPError):
        return _of_status(error.response.status_code, wish)
    if isinstance(error, LocalEntryNotFoundError):
        return _NoAnswerError(f"{_endpoint()} stopped answering during the download")
    if isinstance(error, OSError) and error.errno is not None and error.filename is not None:
        return StorageError(
            f"cannot write {error.filename}: {error.strerror}",
            hint="free space there, or point HF_HOME to another folder",
        )
    return _NoAnswerError(f"{_endpoint()} cannot be reached ({type(error).__name__})")


def _of_status(status: int, wish: _Wish) -> Exception:
    if status in (401, 403):
        return _RefusedError(
            f"{_endpoint()} shows no {wish.words} to you (HTTP {status}): it does not exist, "
            "or it is private or gated"
        )
    if status == 429 or status >= 500:
        return _NoAnswerError(f"{_endpoint()} answered with HTTP {status}")
    return wish.not_found(
        f"there is no {wish.words} on {_endpoint()} (HTTP {status})",
        _ACCESS_HINT.format(kind=wish.kind),
    )
