"""Stored idle power: by machine and subject, safe between processes."""

from __future__ import annotations

import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from llenergymeasure.core.idle.cache import BaselineCache, IdleSubject, machine
from llenergymeasure.domain.baseline import BaselineLevel, BaselineMethod, DomainBaseline

SUBJECT = IdleSubject("bare", "gpu", "GPU-1", "nvml", "counter")


def baseline(power_w: float) -> DomainBaseline:
    return DomainBaseline(
        name="gpu:0",
        level=BaselineLevel.BARE,
        method=BaselineMethod.FRESH,
        power_w=power_w,
        spread_w=0.5,
        uncertainty_w=0.6,
        duration_s=30.0,
        samples=5,
        measured_at=datetime.now(UTC),
    )


def test_what_is_put_is_got(tmp_path: Path) -> None:
    cache = BaselineCache(tmp_path)
    assert cache.get(SUBJECT, 60) is None
    cache.put(SUBJECT, baseline(61.0))
    found = BaselineCache(tmp_path).get(SUBJECT, 60)
    assert found is not None
    assert (found.power_w, found.spread_w, found.samples) == (61.0, 0.5, 5)


def test_it_lies_in_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    BaselineCache().put(SUBJECT, baseline(61.0))
    assert len(list((tmp_path / "llenergymeasure" / "baselines").glob("*.json"))) == 1


def test_a_machine_is_its_name_and_a_digest_of_its_id(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("0123456789abcdef0123456789abcdef\n")
    (tmp_path / "two").write_text("fedcba9876543210fedcba9876543210\n")
    one, two = machine(tmp_path / "one"), machine(tmp_path / "two")
    assert one != two
    assert one == machine(tmp_path / "one")
    assert one.startswith(f"{socket.gethostname()}-")
    assert "0123456789abcdef" not in one
    (tmp_path / "empty").write_text("")
    assert machine(tmp_path / "empty") == machine(tmp_path / "none") == socket.gethostname()


WRITER = """
import sys
sys.path.insert(0, {here!r})
from pathlib import Path
from test_cache import SUBJECT, baseline
from llenergymeasure.core.idle.cache import BaselineCache
cache = BaselineCache(Path(sys.argv[1]))
for n in range(40):
    cache.put(SUBJECT, baseline(float(sys.argv[2])))
    assert cache.get(SUBJECT, 60).power_w in (50.0, 70.0)
"""


def test_two_processes_at_once_never_see_half_a_file(tmp_path: Path) -> None:
    code = WRITER.format(here=str(Path(__file__).parent))
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path), watts],
            stderr=subprocess.PIPE,
            text=True,
        )
        for watts in ("50", "70")
    ]
    for writer in writers:
        _, errors = writer.communicate(timeout=180)
        assert writer.returncode == 0, errors
    assert len(list(tmp_path.iterdir())) == 1
