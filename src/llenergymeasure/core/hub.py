"""Models and datasets of the hub: a directory on this disk, or one clear error within seconds.

huggingface_hub itself honours HF_HOME, HF_TOKEN, HF_HUB_OFFLINE and HF_ENDPOINT.
"""

from __future__ import annotations

import logging
import queue
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llenergymeasure.core.hub_answers import (
    ACCESS_HINT,
    NoAnswerError,
    RefusedError,
    Wish,
    endpoint,
    not_cached,
    translate_errors,
)
from llenergymeasure.core.quiet import quieten_hub
from llenergymeasure.exceptions import (
    HubUnreachableError,
)

_log = logging.getLogger(__name__)

_REQUEST_TIMEOUT_S = 5.0
# Longer than the request's own limit, which does not cover a name server that is silent.
_ANSWER_TIMEOUT_S = 8.0

_CONFIGS = ["*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken"]
_CODE = "*.py"
# Subfolders and these hold the same weights again, in the forms of other programs.
_IGNORE = ["*/*", "consolidated*", "training_args.bin"]

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
    wish = Wish("model", model_id, revision, tuple(_CONFIGS), tuple(_IGNORE), weights=weights)
    _check_id(wish)
    return _from_cache(wish, "HF_HUB_OFFLINE is set")


def find_cached(model_id: str, revision: str | None = None) -> Path | None:
    """The snapshot of a model in the cache, whole or not; the hub is not asked.

    Raises:
        ModelNotFoundError: The id is no id.
    """
    _check_id(Wish("model", model_id, revision, ()))
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
    return _resolve(Wish("model", model_id, revision, patterns, tuple(_IGNORE), weights=weights))


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
    wish = Wish("dataset", dataset_id, revision, tuple(patterns))
    if revision is not None and _COMMIT.fullmatch(revision):
        # A commit never changes: what is here needs no hub, and a resume gets the same.
        try:
            return _from_cache(wish, "it is not here yet")
        except HubUnreachableError:
            pass
    return _resolve(wish)


def _resolve(wish: Wish) -> HubModel:
    quieten_hub()
    _check_id(wish)
    if _offline():
        return _from_cache(wish, "HF_HUB_OFFLINE is set")
    try:
        return _download(wish, _ask(wish))
    except NoAnswerError as silence:
        cached = _from_cache(wish, str(silence))
        _log.warning("%s; using the cached copy of %s", silence, wish.repo_id)
        return cached
    except RefusedError as refusal:
        return _find_cached_although_refused(wish, refusal)


def _check_id(wish: Wish) -> None:
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


def _ask(wish: Wish) -> Any:
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
        raise NoAnswerError(
            f"{endpoint()} did not answer within {_ANSWER_TIMEOUT_S:.0f} s"
        ) from None
    if isinstance(answer, Exception):
        raise translate_errors(answer, wish) from answer
    return answer


def _download(wish: Wish, listing: Any) -> HubModel:
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
        raise translate_errors(error, wish) from error
    return HubModel(Path(path), Path(path).name)


def _from_cache(wish: Wish, reason: str) -> HubModel:
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
        raise not_cached(wish, reason) from error
    return HubModel(Path(path), Path(path).name)


def _find_cached_although_refused(wish: Wish, refusal: RefusedError) -> HubModel:
    """A copy fetched earlier, with a token that is not set today, is still the user's."""
    try:
        cached = _from_cache(wish, str(refusal))
    except HubUnreachableError:
        raise wish.not_found(str(refusal), ACCESS_HINT.format(kind=wish.kind)) from refusal
    _log.warning("%s; using the cached copy", refusal)
    return cached
