"""Which prompts were taken, and what of their source was not, in words. Light: no rich."""

from __future__ import annotations

from collections.abc import Iterator

from llenergymeasure.cli.display.text.numbers import count
from llenergymeasure.domain.experiment import LeftOutFiles, PromptsInfo

# Nobody takes these files for prompts that are missing.
_EXPECTED = ("describes the dataset", "of the split ", "hidden")


def prompts_words(info: PromptsInfo) -> str:
    """How many prompts of how many, and where they come from."""
    rows = "prompts" if info.sha256 or info.source == "synthetic" else "rows"
    of = f" of {count(info.available)} {rows}" if info.available != info.count else ""
    files = f" in {count(info.files_read)} files" if (info.files_read or 0) > 1 else ""
    return f"{count(info.count)}{of} from {info.source}{files}"


def dropped_words(info: PromptsInfo) -> Iterator[str]:
    """A line for each kind of row and of file that was left out without having been asked to."""
    if info.dropped:
        causes = ", ".join(f"{count(n)} {cause}" for cause, n in info.dropped.items())
        kind = "line" if info.sha256 else "row"
        many = sum(info.dropped.values()) != 1
        yield f"{kind}{'s' if many else ''} without a prompt, left out: {causes}"
    for files in info.files_left_out:
        if not files.reason.startswith(_EXPECTED):
            yield f"{_number(files)} left out ({files.reason}): {_names(files)}"


def _number(files: LeftOutFiles) -> str:
    return f"{count(files.count)} file{'s' if files.count != 1 else ''}"


def _names(files: LeftOutFiles) -> str:
    more = files.count - len(files.files)
    return ", ".join(files.files) + (f" and {count(more)} more" if more else "")
