"""A reading must span all who worked there, or say that it does not."""

from __future__ import annotations

from records import domain, gpu, raw, trace, window

from llenergymeasure.domain.energy import DomainReading
from llenergymeasure.domain.validity import ReasonCode, ValidityStatus
from llenergymeasure.results.aggregation import aggregate
from llenergymeasure.results.sums.uncovered import find_uncovered


def reading(start_s: float, duration_s: float, name: str = "cpu") -> DomainReading:
    return domain(10.0, name, window=window(start_s, duration_s))


def test_a_process_that_works_on_is_told() -> None:
    first = raw(1, 0, of=2, domains=[reading(0.0, 10.0), reading(0.0, 10.0, "ram")])
    late = raw(1, 1, of=2, domains=[], start_s=5.0, duration_s=10.0)
    words = "cpu, ram: read for 10.0 s, while 2 processes worked there for 15.0 s"
    assert list(find_uncovered([first, late])) == [words]
    second = raw(1, 0, of=2, domains=[reading(5.0, 10.0)], start_s=5.0)
    early = raw(1, 1, of=2, domains=[], start_s=0.0, duration_s=10.0)
    assert len(list(find_uncovered([second, early]))) == 1


def test_what_ends_a_hair_later_is_no_matter() -> None:
    first = raw(1, 0, of=2, domains=[reading(0.0, 10.0)])
    late = raw(1, 1, of=2, domains=[], start_s=0.02, duration_s=10.03)
    assert list(find_uncovered([first, late])) == []


def test_other_hosts_have_readings_of_their_own() -> None:
    first = raw(1, 0, of=2, domains=[reading(0.0, 2.0)], host="a")
    other = raw(1, 1, of=2, domains=[reading(90.0, 2.0)], start_s=90.0, host="b")
    assert list(find_uncovered([first, other])) == []


def test_a_gpu_of_its_own_is_no_business_of_others() -> None:
    def own(rank: int, start_s: float, device_id: str) -> list[str]:
        mine = gpu(5.0, "GPU-0", window=window(0.0, 2.0))
        theirs = gpu(5.0, device_id, window=window(start_s, 2.0))
        raws = [
            raw(1, 0, of=2, domains=[mine]),
            raw(1, rank, of=2, domains=[theirs], start_s=start_s),
        ]
        return list(find_uncovered(raws))

    assert own(1, 1.0, "GPU-1") == []
    assert own(1, 1.0, "GPU-0") == ["gpu: read for 2.0 s, while 2 processes worked there for 3.0 s"]


def test_the_verdict_tells_it() -> None:
    raws = [
        raw(1, 0, of=2, domains=[reading(0.0, 10.0)], duration_s=10.0),
        raw(1, 1, of=2, domains=[], duration_s=20.0),
    ]
    validity = aggregate(
        raws,
        {(1, index): [trace(0), trace(1)] for index in (0, 1)},
        planned_cycles=1,
        config={},
        provenance={},
        created_at=raws[0].created_at,
    ).validity
    (reason,) = [one for one in validity.reasons if one.code is ReasonCode.INCOMPLETE]
    assert reason.detail == "cpu: read for 10.0 s, while 2 processes worked there for 20.0 s"
    assert validity.status is ValidityStatus.INVALID
