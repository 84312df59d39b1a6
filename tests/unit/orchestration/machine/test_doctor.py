from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from llenergymeasure.orchestration.machine import doctor
from llenergymeasure.orchestration.machine.backends import BackendEntry
from llenergymeasure.orchestration.machine.checks import Check, CheckState, worst
from llenergymeasure.orchestration.machine.doctor import examine
from llenergymeasure.orchestration.machine.doctor_imports import Probe, probe_module


def call_all_ok(entries: Sequence[BackendEntry]) -> list[BackendEntry]:
    """As if every installed energy source gave joules."""
    tried = ("energy", "installed")
    return [replace(e, state="ok") if (e.kind, e.state) == tried else e for e in entries]


@pytest.fixture
def healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "probe_module", lambda name: Probe(version="1.0"))
    found = Check("energy source", CheckState.OK, "gpu counter")
    monkeypatch.setattr(doctor, "try_energy_source", lambda: [found])
    monkeypatch.setattr(doctor, "try_energy_backends", call_all_ok)
    monkeypatch.setattr(doctor, "nvml_gpus", tuple)
    monkeypatch.setattr(doctor, "find_other_measurements", list)
    monkeypatch.setattr(doctor, "judge_load", lambda _: Check("load", CheckState.OK, "idle"))


def states(checks: list[Check]) -> dict[str, CheckState]:
    return {check.name: check.state for check in checks}


@pytest.mark.usefixtures("healthy")
def test_a_healthy_machine_is_ready_and_nothing_is_written(tmp_path: Path) -> None:
    checks = examine(tmp_path / "results", tmp_path / "state")
    failed = [check for check in checks if check.state is CheckState.FAILED]
    assert failed == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("healthy")
def test_a_broken_engine_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = Probe(error="ImportError: libcudart.so.12")
    monkeypatch.setattr(
        doctor, "probe_module", lambda name: broken if name == "torch" else Probe("1.0")
    )
    checks = examine(tmp_path, tmp_path)
    assert states(checks)["torch"] is CheckState.FAILED
    assert worst(checks) is CheckState.FAILED


@pytest.mark.usefixtures("healthy")
def test_a_folder_that_is_a_file_fails_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    checks = {c.name: c for c in examine(tmp_path / "file" / "results", tmp_path)}
    assert checks["results folder"].state is CheckState.FAILED
    assert "--results-dir" in str(checks["results folder"].hint)


@pytest.mark.usefixtures("healthy")
@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_fails(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    checks = states(examine(tmp_path / "locked", tmp_path))
    assert checks["results folder"] is CheckState.FAILED


@pytest.mark.usefixtures("healthy")
def test_a_plugin_that_is_broken_is_a_warning_and_pytorch_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def entry(name: str) -> BackendEntry:
        return BackendEntry("inference", name, "d", None, "", "broken", {}, "ImportError", "repair")

    monkeypatch.setattr(doctor, "list_backends", lambda: [entry("odd"), entry("pytorch")])
    checks = states(examine(tmp_path, tmp_path))
    assert checks["backend odd"] is CheckState.WARNING
    assert checks["backend pytorch"] is CheckState.FAILED
    assert checks["inference backends"] is CheckState.FAILED


def energy_entry(*, optional: bool) -> BackendEntry:
    return BackendEntry(
        "energy", "some", "d", None, "", "missing", {"some": None}, "not there", optional=optional
    )


@pytest.mark.usefixtures("healthy")
@pytest.mark.parametrize(
    ("optional", "expected"), [(True, CheckState.ABSENT), (False, CheckState.WARNING)]
)
def test_an_optional_source_that_does_not_work_is_neither_ok_nor_a_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, optional: bool, expected: CheckState
) -> None:
    there = [*doctor.list_backends(), energy_entry(optional=optional)]
    monkeypatch.setattr(doctor, "list_backends", lambda: there)
    failing = Probe(error="KeyError: 'libsome.so'")
    monkeypatch.setattr(
        doctor, "probe_module", lambda name: failing if name == "some" else Probe("1.0")
    )
    checks = examine(tmp_path, tmp_path)
    found = states(checks)
    assert found["backend some"] is expected
    assert "some" not in found, "told twice"
    assert "some" not in next(c.detail for c in checks if c.name == "energy backends")


@pytest.mark.usefixtures("healthy")
def test_a_backend_whose_library_cannot_be_imported_is_not_listed_as_usable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (name, module) = next((e.name, m) for e in doctor.list_backends() for m in e.engine)
    failing = Probe(error="ImportError: no")
    monkeypatch.setattr(
        doctor, "probe_module", lambda asked: failing if asked == module else Probe("1.0")
    )
    details = [c.detail for c in examine(tmp_path, tmp_path) if c.name.endswith(" backends")]
    assert all(name not in detail.replace(",", " ").split() for detail in details)


@pytest.mark.usefixtures("healthy")
def test_a_machine_without_a_gpu_does_not_call_it_ok(tmp_path: Path) -> None:
    assert states(examine(tmp_path, tmp_path))["GPUs"] is CheckState.ABSENT


def test_what_is_absent_makes_nothing_worse() -> None:
    assert worst([Check("a", CheckState.ABSENT, "")]) is CheckState.OK
    assert worst([Check("a", CheckState.ABSENT, ""), Check("b", CheckState.WARNING, "")]) is (
        CheckState.WARNING
    )


def test_a_module_is_asked_in_a_process_of_its_own() -> None:
    assert probe_module("json.decoder") == Probe()
    said = probe_module("pynvml").version
    assert said == f"{metadata.version('nvidia-ml-py')} (nvidia-ml-py)"
    error = probe_module("surely_not_installed").error
    assert error == "it is not installed"


def test_why_a_module_cannot_be_imported_is_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needy.py").write_text("import surely_not_installed")
    (tmp_path / "broken.py").write_text("{}['libsome.so']")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert probe_module("needy").error == "it needs surely_not_installed, not installed"
    assert probe_module("broken").error == "it cannot be imported (KeyError: 'libsome.so')"


def test_a_module_that_hangs_or_dies_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sleepy.py").write_text("import time; time.sleep(60)")
    (tmp_path / "deadly.py").write_text("import os; os.kill(os.getpid(), 9)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert "more than" in str(probe_module("sleepy", timeout_s=1.0).error)
    assert "-9" in str(probe_module("deadly").error)
    (tmp_path / "chatty.py").write_text(
        "import atexit\n__version__ = '2'\natexit.register(print, 'bye')\n"
    )
    assert probe_module("chatty") == Probe(version="2")
    (tmp_path / "leaving.py").write_text("import os\nos._exit(0)\n")
    assert "before it could be asked" in str(probe_module("leaving").error)
