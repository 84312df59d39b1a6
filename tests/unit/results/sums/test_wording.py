from __future__ import annotations

import pytest

from llenergymeasure.results.sums.wording import join_by_cycle


@pytest.mark.parametrize(
    ("details", "cycles", "told"),
    [
        ({"broken": [1, 2]}, 2, "broken"),
        ({"broken": [2]}, 2, "cycle 2: broken"),
        ({"broken": [1], "late": [1]}, 1, "broken; late"),
        ({"broken": [1], "late": [2]}, 2, "cycle 1: broken; cycle 2: late"),
        # The same sentence with other numbers is told once.
        (
            {"3.21 s is under 10 s": [1], "3.4 s is under 10 s": [2]},
            2,
            "cycles 1, 2, for instance cycle 1: 3.21 s is under 10 s",
        ),
        (
            {w: [i] for i, w in enumerate("abcd", 1)},
            4,
            "cycles 1, 2, 3, 4, for instance cycle 1: a",
        ),
    ],
)
def test_it_says_in_one_line_what_happened_where(
    details: dict[str, list[int]], cycles: int, told: str
) -> None:
    assert join_by_cycle(details, cycles) == told
