from __future__ import annotations

from llenergymeasure.cli.display.result import validity_rows
from llenergymeasure.domain.validity import Reason, ReasonCode, judge


def test_what_only_informs_comes_last_and_is_called_a_note() -> None:
    verdict = judge(
        [
            Reason(code=ReasonCode.NVML_UNAVAILABLE, detail="no driver"),
            Reason(code=ReasonCode.ESTIMATE_ONLY, detail="no counter"),
        ]
    )
    assert [value for _, value in validity_rows(verdict)] == [
        "degraded: use with care",
        "- no counter [estimate_only]",
        "- note: no driver [nvml_unavailable]",
        "lem explain CODE says more",
    ]
