"""What is said of prompts: only what one would not expect is a line of its own."""

from __future__ import annotations

from llenergymeasure.cli.display.prompts import dropped_words, prompts_words
from llenergymeasure.domain.experiment import LeftOutFiles, PromptsInfo


def info(**fields) -> PromptsInfo:
    plain = {"source": "/d", "count": 3, "used_sha256": "0", "available": 3}
    return PromptsInfo.model_validate({**plain, **fields})


def test_nothing_dropped_is_nothing_said() -> None:
    usual = [
        LeftOutFiles(reason=reason, count=1, files=("f",))
        for reason in ("describes the dataset", "of the split test", "hidden")
    ]
    assert list(dropped_words(info(files_left_out=usual))) == []
    assert prompts_words(info()) == "3 from /d"


def test_rows_and_files_that_are_missing_are_said() -> None:
    left_out = [LeftOutFiles(reason="no table", count=7, files=("a", "b"))]
    found = info(available=10, dropped={"null": 2, "blank": 1}, files_left_out=left_out)
    assert list(dropped_words(found)) == [
        "rows without a prompt, left out: 2 null, 1 blank",
        "7 files left out (no table): a, b and 5 more",
    ]
    assert prompts_words(found.model_copy(update={"files_read": 2})) == (
        "3 of 10 rows from /d in 2 files"
    )
