"""The options of ``lem experiment`` that stand for config keys."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from llenergymeasure.cli.arguments import completion
from llenergymeasure.cli.arguments.options import Number, Whole
from llenergymeasure.constants import DEFAULT_BACKEND
from llenergymeasure.security import expand_home

# Old flag -> (parameter, key, what to write instead).
_DEPRECATED = {
    "--batch-size": ("batch_size", "{backend}.batch_size", "--set {backend}.batch_size={value}"),
    "--precision": ("precision", "dtype", "--set dtype={value}"),
    "--temperature": ("temperature", "decoder.temperature", "--set decoder.temperature={value}"),
}

_KEYS = {
    "model": "model_name",
    "backend": "backend",
    "num_prompts": "num_prompts",
    "max_tokens": "max_output_tokens",
    "seed": "seed",
    "cycles": "num_cycles",
    "column": "prompts.column",
    "split": "prompts.split",
}

_OPTIONS = (
    click.option(
        "-m",
        "--model",
        metavar="MODEL",
        help="Model: a folder, a Hugging Face id, or builtin:NAME.",
    ),
    click.option(
        "--backend", metavar="NAME", help="Inference backend; see: lem backends. Default: pytorch."
    ),
    click.option(
        "-d",
        "--dataset",
        metavar="DATASET",
        help="Prompts of a dataset: a name (see: lem datasets), a Hugging Face id, or a local "
        "folder or file.",
    ),
    click.option(
        "-p",
        "--prompts",
        metavar="FILE",
        shell_complete=completion.files,
        help="Prompts of a text or JSONL file.",
    ),
    click.option(
        "--split",
        metavar="NAME",
        help="Split of the dataset. Default: that of its short name, else train.",
    ),
    click.option(
        "--column",
        metavar="NAME",
        help="Column that holds the prompts. Default: found by its name.",
    ),
    click.option(
        "-n",
        "--num-prompts",
        "--sample-size",
        "num_prompts",
        type=Whole(1),
        help="Number of prompts (num_prompts). Default: all.",
    ),
    click.option(
        "--max-tokens",
        "--max-output-tokens",
        "max_tokens",
        type=Whole(1),
        help="Maximum number of output tokens of a request. Default: 128.",
    ),
    click.option(
        "--seed",
        type=Whole(0, 2**32 - 1),
        help="Seed of sampled tokens and of dummy weights. Default: 42. Prompts have prompts.seed.",
    ),
    click.option(
        "--cycles", type=Whole(1, 1000), help="How many times the workload is measured. Default: 1."
    ),
    click.option("-b", "--batch-size", type=Whole(1), hidden=True),
    click.option("--precision", hidden=True),
    click.option("--temperature", type=Number(), hidden=True),
)


def layer_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Attach what lies over a config file: ``--set`` and ``--preset``."""
    sets = click.option(
        "--set",
        "sets",
        multiple=True,
        metavar="KEY=VALUE",
        help="Set a config key, e.g. pytorch.batch_size=8; repeatable.",
    )
    preset = click.option(
        "--preset",
        metavar="NAME",
        shell_complete=completion.presets,
        help="Take a preset for the values that the config leaves open; see: lem presets.",
    )
    with_layers: Callable[..., Any] = sets(preset(command))
    return with_layers


def config_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Attach the options; the command gets ``overrides``, ``sets``, ``preset``, ``deprecated``.

    ``overrides`` maps dotted keys to values, ``deprecated`` holds a line for each old flag.
    """

    @wraps(command)
    def with_overrides(*args: Any, **kwargs: Any) -> Any:
        given = {name: kwargs.pop(name) for name in _PARAMETERS}
        overrides, deprecated = _overrides(given)
        return command(*args, overrides=overrides, deprecated=deprecated, **kwargs)

    wrapped: Callable[..., Any] = with_overrides
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return layer_options(wrapped)


_PARAMETERS = (
    *_KEYS,
    "dataset",
    "prompts",
    *(parameter for parameter, _, _ in _DEPRECATED.values()),
)


def _overrides(given: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    overrides = {key: given[name] for name, key in _KEYS.items() if given[name] is not None}
    if given["dataset"] and given["prompts"]:
        raise click.UsageError("--dataset and --prompts are two sources; give one of them.")
    if given["dataset"]:
        overrides |= {"prompts.type": "huggingface", "prompts.dataset": given["dataset"]}
    if given["prompts"]:
        # A path on the command line starts from the working directory; ~nobody stays as it is.
        path = str(expand_home(given["prompts"]).absolute())
        overrides |= {"prompts.type": "file", "prompts.path": path}
    deprecated = []
    backend = given["backend"] or DEFAULT_BACKEND
    for flag, (parameter, key, instead) in _DEPRECATED.items():
        value = given[parameter]
        if value is not None:
            overrides[key.format(backend=backend)] = value
            written = instead.format(backend=backend, value=value)
            deprecated.append(f"{flag} is an old name; write {written}")
    return overrides, deprecated
