"""Weights into a model, and whether they are the ones that its config describes.

transformers fills what a checkpoint lacks with random numbers, leaves out what does not fit, and
only warns. What its classes declare as dispensable (tied weights, ``_keys_to_ignore_on_load_*``) it
does not report.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from llenergymeasure.core.model_limits import mend_pad_id
from llenergymeasure.exceptions import ModelNotFoundError

# Constants that older versions saved along: no weights.
_SAVED_CONSTANTS = re.compile(r"(^|\.)(masked_bias|inv_freq|position_ids)$")
_AGAIN = "download or save the model again, with the config that belongs to it"


def load_weights(path: Path, dtype: str, trust_remote_code: bool) -> tuple[Any, tuple[str, ...]]:
    """The model of a checked directory, and the names of weights that have no place in it.

    Raises:
        ModelNotFoundError: The checkpoint lacks weights, or some are of another size.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(
        path, local_files_only=True, trust_remote_code=trust_remote_code
    )
    mend_pad_id(config)
    model, report = AutoModelForCausalLM.from_pretrained(
        path,
        config=config,
        dtype=dtype if dtype == "auto" else getattr(torch, dtype),
        local_files_only=True,
        trust_remote_code=trust_remote_code,
        output_loading_info=True,
        # They are reported, and refused here by name.
        ignore_mismatched_sizes=True,
    )
    _refuse_other_sizes(path, report["mismatched_keys"])
    unused = tuple(
        sorted(key for key in report["unexpected_keys"] if not _SAVED_CONSTANTS.search(key))
    )
    _refuse_missing(path, model, sorted(report["missing_keys"]), unused)
    if report["error_msgs"]:
        first = str(report["error_msgs"][0]).strip().splitlines()[0]
        raise ModelNotFoundError(
            f"the checkpoint in {path} does not fit its config.json: {first}", hint=_AGAIN
        )
    return model, unused


def _refuse_other_sizes(path: Path, mismatched: Iterable[Any]) -> None:
    found = sorted((str(name), tuple(seen), tuple(wanted)) for name, seen, wanted in mismatched)
    if not found:
        return
    name, seen, wanted = found[0]
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    raise ModelNotFoundError(
        f"the checkpoint in {path} does not fit its config.json: {name} is {_shape(seen)}, and the "
        f"config wants {_shape(wanted)}{more}",
        hint=f"mend the sizes in config.json, or {_AGAIN}",
    )


def _shape(sizes: Iterable[int]) -> str:
    return " x ".join(map(str, sizes))


def _refuse_missing(path: Path, model: Any, missing: list[str], unused: tuple[str, ...]) -> None:
    if not missing:
        return
    also = ""
    if unused:
        also = f"; it has {name_some(unused)} instead, for which {type(model).__name__} has no use"
    raise ModelNotFoundError(
        f"the checkpoint in {path} lacks fitting weights for {name_some(missing)}{also}",
        hint=f"see whether config.json names the right architecture and number of layers, or "
        f"{_AGAIN}",
    )


def name_some(names: Iterable[str], most: int = 3) -> str:
    """The first few names, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return f"{', '.join(listed[:most])}{more}"
