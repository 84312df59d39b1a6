"""Whatever lists energy sources says of each whether it works here, in the same words."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def native(name: str) -> ModuleType:
    path = Path(__file__).parents[1] / "native" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


stand_in, amd_stand_in, powercap_tree = map(native, ("stand_in", "amd_stand_in", "powercap_tree"))

NAMED = ("nvml", "rapl", "amdsmi", "zeus", "estimate", "codecarbon")
# Only where they are installed at all.
OPTIONAL = ("amdsmi", "zeus")

# Runs every command that lists sources, and tells what each said: state and words by source, and
# the lines that call something ok. "closed": counters may not be read, the driver does not answer.
LIST = """
import contextlib, io, json, sys
from llenergymeasure import cli
from llenergymeasure.core.energy_backends.rapl import powercap
from llenergymeasure.orchestration.machine import doctor, energy_probe
from llenergymeasure.orchestration.machine.doctor_imports import Probe

energy_probe.PROBE_WINDOW_S = 0.05
doctor.probe_module = lambda name: Probe(version="1")
names, closed = json.loads(sys.argv[1]), sys.argv[2] == "closed"
if closed:
    read = powercap._text
    def refuse(file):
        if file.name == powercap.ENERGY:
            raise PermissionError(13, "Permission denied", str(file))
        return read(file)
    powercap._text = refuse
    import pynvml
    def fail():
        raise pynvml.NVMLError(pynvml.NVML_ERROR_UNKNOWN)
    pynvml.nvmlInit = fail

def lem(*arguments):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main(list(arguments))
    return code, out.getvalue(), err.getvalue()

told = {}
entries = json.loads(lem("--json", "backends")[1])["energy"]
told["backends"] = {e["name"]: [e["state"], e["reason"] or e["here"]] for e in entries}
told["table"] = lem("backends")[1]
checks = json.loads(lem("--json", "doctor")[1])["checks"]
told["doctor"] = {c["name"]: [c["state"], c["detail"]] for c in checks}
names = [name for name in names if told["backends"].get(name, ["missing"])[0] != "missing"]
told["plans"], told["warnings"] = {}, {}
for name in [*names, "auto", ",".join(names)]:
    code, out, err = lem("experiment", "c.json", "--json", "--dry-run", "--set",
                         f"energy.backend={name}")
    assert code == 0, err
    told["plans"][name] = {s["name"]: [s["state"], s["detail"]] for s in json.loads(out)["sources"]}
    told["warnings"][name] = err
told["init"] = lem("init", "--non-interactive", "--yes")[1]
print(json.dumps(told))
"""


def ask(folder: Path, env: dict[str, str], powercap: Path, closed: str = "") -> dict[str, Any]:
    config = {"config_name": "c", "model_name": "m", "backend": "echo"}
    config["prompts"] = {"type": "file", "path": "p.txt"}  # type: ignore[assignment]
    (folder / "c.json").write_text(json.dumps(config))
    (folder / "p.txt").write_text("one prompt\n")
    done = subprocess.run(
        [sys.executable, "-c", LIST, json.dumps(NAMED), closed],
        env={**env, "LEM_POWERCAP_ROOT": str(powercap), "COLUMNS": "400"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A machine without any sensor."""
    folder = tmp_path_factory.mktemp("bare")
    # Not the driver and the ROCm of the machine that runs the tests.
    env = stand_in.environment(folder, "", ROCM_PATH=str(folder))
    (folder / stand_in.LIBRARY).write_text("no library")
    return ask(folder, env, folder / "nowhere")


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A machine whose counters are closed to this user, and whose GPU driver does not answer."""
    folder = tmp_path_factory.mktemp("closed")
    tree = powercap_tree.write_tree(folder / "powercap", {"intel-rapl:0": {"name": "package-0"}})
    return ask(folder, stand_in.environment(folder, "", ROCM_PATH=str(folder)), tree, "closed")


@pytest.fixture(scope="module")
def nvidia(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A machine with two NVIDIA GPUs and readable counters of the CPU."""
    folder = tmp_path_factory.mktemp("nvidia")
    zone = {"name": "package-0", "energy_uj": 5, "range_uj": powercap_tree.RANGE_UJ}
    tree = powercap_tree.write_tree(folder / "powercap", {"intel-rapl:0": zone})
    library = stand_in.build(tmp_path_factory.mktemp("library"))
    gpus = "name=One GPU,uuid=GPU-c0,counter_ms=5;name=One GPU,uuid=GPU-c1,counter_ms=5"
    return ask(folder, stand_in.environment(library, gpus, ROCM_PATH=str(folder)), tree)


def installed(told: dict[str, Any]) -> Iterator[str]:
    for name in NAMED:
        assert name in OPTIONAL or told["backends"][name][0] != "missing"
        if told["backends"][name][0] != "missing":
            yield name


def assert_all_agree(told: dict[str, Any]) -> None:
    """Every command says the same state of every source, and ok of nothing that does not work."""
    ok_lines = [detail for state, detail in told["doctor"].values() if state == "ok"]
    work = told["doctor"]["energy backends"][1].partition(": ")[2].split("; ")[0].split(", ")
    for name in installed(told):
        state, words = told["backends"][name]
        assert told["plans"][name] == {name: [state, words]}
        assert told["plans"][",".join(installed(told))][name] == [state, words]
        assert (state == "ok") == (name in work)
        warned = f"names {name}, which" in told["warnings"][name]
        assert warned == (state != "ok")
        if state != "ok":
            assert told["doctor"][f"backend {name}"] == [state, words]
            assert words in told["warnings"][name]
            assert f"{name} ({state}): {words}" in told["table"]
            assert not any(f"by {name}" in line for line in ok_lines)
    for name, (state, words) in told["plans"]["auto"].items():
        assert told["backends"][name] == [state, words]
        assert f"{name} ({state})" in told["init"]
    assert "names " not in told["warnings"]["auto"]


def states(told: dict[str, Any]) -> dict[str, str]:
    return {name: told["backends"][name][0] for name in installed(told)}


def test_on_a_machine_without_sensors(bare: dict[str, Any]) -> None:
    assert_all_agree(bare)
    found = states(bare)
    assert found.pop("estimate") == found.pop("codecarbon") == "ok"
    assert set(found.values()) == {"not there"}
    assert "is not there: there is no RAPL counter" in bare["warnings"]["rapl"]


def test_on_a_machine_whose_sensors_may_not_be_read(closed: dict[str, Any]) -> None:
    assert_all_agree(closed)
    found = states(closed)
    assert (found["nvml"], found["rapl"], found["estimate"]) == ("warning", "warning", "ok")
    assert "may not be read by this user" in closed["backends"]["rapl"][1]
    assert "sudo chmod o+r" in closed["warnings"]["rapl"]
    assert "does not answer" in closed["backends"]["nvml"][1]


def test_on_a_machine_with_sensors(nvidia: dict[str, Any]) -> None:
    assert_all_agree(nvidia)
    found = states(nvidia)
    assert (found["nvml"], found["rapl"], found["estimate"]) == ("ok", "ok", "ok")
    assert nvidia["backends"]["nvml"][1] == "gpu:0, gpu:1 counter"
    assert nvidia["backends"]["rapl"][1] == "cpu:0 counter"
    assert found.get("zeus", "ok") == "ok"
    assert found.get("amdsmi", "not there") == "not there"


@pytest.mark.skipif(not amd_stand_in.installed(), reason="amdsmi is not installed")
def test_on_a_machine_with_amd_gpus(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("amd")
    env = amd_stand_in.environment(amd_stand_in.build(folder), "uuid=one,counter_ms=5")
    told = ask(folder, env, folder / "nowhere")
    assert_all_agree(told)
    assert states(told)["amdsmi"] == "ok"
