"""The RAPL source against fake powercap trees whose energy is known to the microjoule.

A process of its own advances them; they stand still while a window opens and closes.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from llenergymeasure.config.backend_configs import RaplConfig
from llenergymeasure.core.energy_backends.rapl.backend import RaplBackend
from llenergymeasure.domain.energy import (
    DomainReading,
    EnergyMethod,
    EnergyReading,
    total_energy,
)
from llenergymeasure.domain.validity import ReasonCode

_path = Path(__file__).parents[1] / "native" / "powercap_tree.py"
_spec = importlib.util.spec_from_file_location("powercap_tree", _path)
assert _spec is not None and _spec.loader is not None
powercap_tree = importlib.util.module_from_spec(_spec)
sys.modules["powercap_tree"] = powercap_tree
_spec.loader.exec_module(powercap_tree)

RANGE = powercap_tree.RANGE_UJ
LARGE_RANGE = 262_143_328_850
NOBODY = 65534

Steps = Sequence[dict[str, int]]


def package(number: int = 0, energy_uj: int = 5_000_000_000, **more: Any) -> dict[str, Any]:
    return {"name": f"package-{number}", "energy_uj": energy_uj, "range_uj": RANGE, **more}


def zone(name: str, energy_uj: int = 1_000_000) -> dict[str, Any]:
    return {"name": name, "energy_uj": energy_uj, "range_uj": RANGE}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "powercap"


def joules_of(uj: int) -> float:
    return uj / 1_000_000


def windows(root: Path, plans: Sequence[Steps], **options: Any) -> list[dict[str, DomainReading]]:
    """One window a plan, which runs within it."""
    backend = RaplBackend(RaplConfig(root=str(root), **options))
    found = []
    with closing(backend), powercap_tree.advancing(root) as tree:
        backend.prepare()
        for plan in plans:
            backend.start()
            tree.run(plan)
            found.append({domain.name: domain for domain in backend.stop().domains})
    return found


def one_window(root: Path, steps: Steps, **options: Any) -> dict[str, DomainReading]:
    (found,) = windows(root, [steps], **options)
    return found


def wraps(domain: DomainReading) -> int | None:
    assert domain.evidence is not None
    return domain.evidence.wraps


def codes(domain: DomainReading) -> list[ReasonCode]:
    return [finding.code for finding in domain.findings]


@pytest.mark.parametrize("range_uj", [RANGE, LARGE_RANGE])
@pytest.mark.parametrize("times", [0, 1, 2])
def test_wraps_are_undone_to_the_microjoule(root: Path, times: int, range_uj: int) -> None:
    """A machine in fast motion: each step is a fortieth of the range."""
    start_uj = range_uj - 12_345_678 if times else 1
    powercap_tree.write_tree(root, {"intel-rapl:0": package(energy_uj=start_uj, range_uj=range_uj)})
    count = {0: 30, 1: 30, 2: 60}[times]
    step_uj = range_uj // 40 + 7
    (domain,) = one_window(root, [{"intel-rapl:0": step_uj}] * count, interval_ms=20).values()

    assert domain.joules == joules_of(count * step_uj)
    assert domain.method is EnergyMethod.COUNTER
    assert wraps(domain) == times
    assert domain.findings == ()


def test_a_wrap_at_the_power_of_a_processor(root: Path) -> None:
    powercap_tree.write_tree(root, {"intel-rapl:0": package(energy_uj=RANGE - 20_000_000)})
    (domain,) = one_window(root, [{"intel-rapl:0": 3_000_001}] * 20).values()
    assert domain.joules == joules_of(20 * 3_000_001)
    assert wraps(domain) == 1


@pytest.mark.parametrize("unreadable", ["missing", "nonsense"])
def test_without_a_range_there_is_a_sum_until_the_counter_falls(
    root: Path, unreadable: str
) -> None:
    zones = {"intel-rapl:0": package(energy_uj=RANGE - 100_000_000)}
    if unreadable == "missing":
        del zones["intel-rapl:0"]["range_uj"]
    powercap_tree.write_tree(root, zones)
    rising = [{"intel-rapl:0": 1_000_000}] * 10
    falling = [{"intel-rapl:0": 20_000_000}] * 10
    backend = RaplBackend(RaplConfig(root=str(root)))
    with closing(backend), powercap_tree.advancing(root) as tree:
        if unreadable == "nonsense":
            # What the counter shows does not fit into what its range is said to be.
            real = root / "intel-rapl:0" / "max_energy_range_uj"
            powercap_tree.put(real, 1000)
        backend.prepare()
        if unreadable == "nonsense":
            powercap_tree.put(real, RANGE)
        backend.start()
        tree.run(rising)
        (risen,) = backend.stop().domains
        backend.start()
        tree.run(falling)
        (fallen,) = backend.stop().domains

    assert risen.joules == 10.0
    assert fallen.joules is None
    assert codes(fallen) == [ReasonCode.COUNTER_WRAP_RISK]
    assert total_energy([fallen]).total_j is None


def test_msr_and_mmio_show_one_counter(root: Path) -> None:
    twins = {"intel-rapl:0": package(), "intel-rapl-mmio:0": package()}
    inner = {"intel-rapl:0:0": zone("dram"), "intel-rapl-mmio:0:0": zone("dram")}
    powercap_tree.write_tree(root, {**twins, **inner})
    step = {**dict.fromkeys(twins, 123_457), **dict.fromkeys(inner, 1_003)}
    found = one_window(root, [step] * 20)

    assert {name: d.joules for name, d in found.items()} == {
        "cpu:0": joules_of(20 * 123_457),
        "ram:0": joules_of(20 * 1_003),
    }


@pytest.mark.parametrize(
    "names",
    [
        ("package-0", "package-1"),
        ("package-0-die-0", "package-0-die-1"),
        ("package-0-die-0", "package-0-die-1", "package-0-die-2", "package-0-die-3"),
    ],
)
@pytest.mark.parametrize("busy", [False, True], ids=["at rest before", "busy before"])
def test_mirrored_dies_are_counted_once(root: Path, names: tuple[str, ...], busy: bool) -> None:
    zones = {f"intel-rapl:{n}": zone(name) for n, name in enumerate(names)}
    powercap_tree.write_tree(root, zones)
    step = dict.fromkeys(zones, 123_457)
    backend = RaplBackend(RaplConfig(root=str(root)))
    with closing(backend), powercap_tree.advancing(root) as tree:
        if busy:
            tree.start([step] * 30, pause_s=0.001)
        backend.prepare()
        if busy:
            tree.join()
        found = []
        for _ in range(2):
            backend.start()
            tree.run([step] * 20)
            found.append({d.name: d.joules for d in backend.stop().domains})

    assert found == [{"cpu:0": joules_of(20 * 123_457)}] * 2


def test_two_sockets_are_two(root: Path) -> None:
    zones = {"intel-rapl:0": package(0), "intel-rapl:1": package(1, energy_uj=RANGE - 5)}
    powercap_tree.write_tree(root, zones)
    found = one_window(root, [{"intel-rapl:0": 123_457, "intel-rapl:1": 654_321}] * 20)

    assert found["cpu:0"].joules == joules_of(20 * 123_457)
    assert found["cpu:1"].joules == joules_of(20 * 654_321)
    assert total_energy(found.values()).total_j == pytest.approx(20 * 0.777778)


def test_two_sockets_that_begin_alike_are_two(root: Path) -> None:
    """The same value at rest tells nothing; a microjoule apart afterwards tells all."""
    zones = {"intel-rapl:0": package(0), "intel-rapl:1": package(1)}
    powercap_tree.write_tree(root, zones)
    plan = [{"intel-rapl:0": 100_000, "intel-rapl:1": 100_000}] * 10
    plan.append({"intel-rapl:0": 1, "intel-rapl:1": 2})
    found = one_window(root, plan)
    assert {n: d.joules for n, d in found.items()} == {"cpu:0": 1.000001, "cpu:1": 1.000002}


def test_memory_is_beside_the_package_and_psys_around_it(root: Path) -> None:
    zones = {
        "intel-rapl:0": package(),
        "intel-rapl:0:0": zone("core"),
        "intel-rapl:0:1": zone("uncore"),
        "intel-rapl:0:2": zone("dram"),
        "intel-rapl:1": zone("psys"),
    }
    powercap_tree.write_tree(root, zones)
    step = dict(zip(zones, (100_003, 80_000, 5_000, 10_007, 150_011), strict=True))
    found = one_window(root, [step] * 20)

    assert {name: (d.joules, d.counted) for name, d in found.items()} == {
        "cpu:0": (joules_of(20 * 100_003), True),
        "ram:0": (joules_of(20 * 10_007), True),
        "psys": (joules_of(20 * 150_011), False),
    }
    assert total_energy(found.values()).total_j == pytest.approx(20 * 0.110010)


@pytest.mark.parametrize("kind", ["gone", "I/O error", "garbage"])
def test_a_counter_that_fails_within_the_window_has_no_number(root: Path, kind: str) -> None:
    """CodeCarbon makes 263 kJ of one failed read."""
    zones = {"intel-rapl:0": package(0), "intel-rapl:1": package(1, energy_uj=7)}
    powercap_tree.write_tree(root, zones)
    counter = root / "intel-rapl:1" / "energy_uj"
    step = {"intel-rapl:0": 1_000_000}
    backend = RaplBackend(RaplConfig(root=str(root), interval_ms=10))
    with closing(backend), powercap_tree.advancing(root) as tree:
        backend.prepare()
        backend.start()
        tree.run([{**step, "intel-rapl:1": 1_000_000}] * 5)
        kept = counter.read_text()
        counter.unlink()
        if kind == "I/O error":
            # Reading where nothing is mapped is an I/O error.
            counter.symlink_to("/proc/self/mem")
        elif kind == "garbage":
            counter.write_text("\n")
        tree.run([step] * 10)
        counter.unlink(missing_ok=True)
        counter.write_text(kept)
        found = {domain.name: domain for domain in backend.stop().domains}

    assert found["cpu:0"].joules == 15.0
    assert found["cpu:1"].joules is None
    assert codes(found["cpu:1"]) == [ReasonCode.SAMPLES_MISSING]
    assert str(counter) in found["cpu:1"].findings[0].detail
    totals = total_energy(found.values())
    assert (totals.total_j, totals.partial_j, totals.missing) == (None, 15.0, ("cpu:1",))


# Does what it is told, a word a line: "prepare", "start", or "stop", which gives the reading.
# It runs through everything once before it becomes nobody: the installation may be closed to them.
SOURCE = """
import os, sys
from llenergymeasure.config.backend_configs import RaplConfig
from llenergymeasure.core.energy_backends.rapl.backend import RaplBackend

def run(backend, words):
    for word in words:
        reading = getattr(backend, word.strip())()
        print(reading.model_dump_json() if reading else "done", flush=True)
    backend.close()

options = RaplConfig(root=sys.argv[1], interval_ms=10)
run(RaplBackend(options), ["prepare", "start", "stop"])
if len(sys.argv) > 2 and os.getuid() == 0:
    os.setuid(int(sys.argv[2]))
run(RaplBackend(options), sys.stdin)
"""


class Source:
    """The RAPL source in a process of its own."""

    def __init__(self, root: Path, *user: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SOURCE, str(root), *user],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        for _ in range(3):
            self._answer()

    def tell(self, word: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        return self._answer()

    def stop(self) -> dict[str, DomainReading]:
        reading = EnergyReading.model_validate_json(self.tell("stop"))
        return {domain.name: domain for domain in reading.domains}

    def close(self) -> None:
        self._process.communicate(timeout=180)

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@pytest.fixture
def open_root() -> Iterator[Path]:
    """A tree that every user can reach; pytest's own folders are closed to others."""
    zones = {"intel-rapl:0": package(0), "intel-rapl:1": package(1, energy_uj=7)}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield powercap_tree.write_tree(Path(folder) / "powercap", zones)


def steps(*folders: str) -> Steps:
    return [dict.fromkeys(folders, 1_000_003)] * 10


def assert_one_is_closed(found: dict[str, DomainReading], closed: Path, open_j: float) -> None:
    assert found["cpu:0"].joules == open_j
    assert found["cpu:1"].joules is None
    assert codes(found["cpu:1"]) == [ReasonCode.RAPL_UNREADABLE]
    assert f"sudo chmod o+r {closed};" in found["cpu:1"].findings[0].detail
    assert total_energy(found.values()).total_j is None


def test_counters_that_are_closed_to_a_user_meanwhile(open_root: Path) -> None:
    closed = open_root / "intel-rapl:1" / "energy_uj"
    source = Source(open_root, str(NOBODY))
    with closing(source), powercap_tree.advancing(open_root) as tree:
        source.tell("prepare")
        source.tell("start")
        tree.run(steps("intel-rapl:0", "intel-rapl:1"))
        before = source.stop()
        source.tell("start")
        tree.run(steps("intel-rapl:0", "intel-rapl:1"))
        closed.chmod(0)
        tree.run(steps("intel-rapl:0"))
        meanwhile = source.stop()
        source.tell("start")
        tree.run(steps("intel-rapl:0"))
        after = source.stop()

    assert [domain.joules for domain in before.values()] == [10.00003] * 2
    assert_one_is_closed(meanwhile, closed, 20.00006)
    assert_one_is_closed(after, closed, 10.00003)


def test_counters_that_were_closed_for_a_moment(open_root: Path) -> None:
    """Open at both ends, and still a sum that nobody has seen grow."""
    closed = open_root / "intel-rapl:1" / "energy_uj"
    source = Source(open_root, str(NOBODY))
    with closing(source), powercap_tree.advancing(open_root) as tree:
        source.tell("prepare")
        source.tell("start")
        closed.chmod(0)
        tree.run(steps("intel-rapl:0"))
        closed.chmod(0o644)
        found = source.stop()
    assert_one_is_closed(found, closed, 10.00003)


def test_counters_that_only_root_may_read(open_root: Path) -> None:
    closed = open_root / "intel-rapl:1" / "energy_uj"
    source = Source(open_root, str(NOBODY))
    with closing(source), powercap_tree.advancing(open_root) as tree:
        closed.chmod(0o400 if os.getuid() == 0 else 0)
        source.tell("prepare")
        source.tell("start")
        tree.run(steps("intel-rapl:0"))
        found = source.stop()
    assert_one_is_closed(found, closed, 10.00003)


def test_a_process_that_was_stopped_for_long_trusts_no_counter(root: Path) -> None:
    """Fast motion again: 100 kJ went by unseen, more than the range."""
    powercap_tree.write_tree(root, {"intel-rapl:0": package(energy_uj=1)})
    step = {"intel-rapl:0": 1_000_000_000}
    source = Source(root)
    with closing(source), powercap_tree.advancing(root) as tree:
        source.tell("prepare")
        source.tell("start")
        tree.run([step] * 20, pause_s=0.02)
        os.kill(source.pid, signal.SIGSTOP)
        tree.run([step] * 100, pause_s=0.01)
        os.kill(source.pid, signal.SIGCONT)
        (domain,) = source.stop().values()
    assert domain.joules is None
    assert codes(domain) == [ReasonCode.COUNTER_WRAP_RISK]
