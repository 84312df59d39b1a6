from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from llenergymeasure.security import safe_id
from llenergymeasure.state import ids
from llenergymeasure.state.ids import is_minted, mint


def test_an_id_tells_its_time_in_utc(monkeypatch) -> None:
    monkeypatch.setattr(ids, "_last", datetime(2000, 1, 1, tzinfo=UTC))
    at = datetime(2030, 5, 17, 1, 2, 3, 45, tzinfo=timezone(timedelta(hours=2)))
    assert mint(at).startswith("20300516-230203-000045-")


@given(st.lists(st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)), min_size=2, max_size=20))
def test_ids_increase_whatever_the_clock_does(times: list[datetime]) -> None:
    minted = [mint(at.replace(tzinfo=UTC)) for at in times]
    assert minted == sorted(set(minted))
    assert all(is_minted(i) and safe_id(i) == i for i in minted)
    ids._last = datetime(2000, 1, 1, tzinfo=UTC)


def test_threads_never_share_an_id() -> None:
    at = datetime.now(UTC)
    with ThreadPoolExecutor(8) as pool:
        minted = list(pool.map(lambda _: mint(at)[:22], range(400)))
    assert len(set(minted)) == 400


def test_other_names_are_no_ids() -> None:
    names = ["", "x", "20300516-230203-000045", "20300516-230203-000045-abcde", "campaign_manifest"]
    assert not any(is_minted(name) for name in names)
    assert not is_minted("20300516-230203-000045-ABCD")
