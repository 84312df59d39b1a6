from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from llenergymeasure.core.environment import collect_environment, container
from llenergymeasure.domain.environment import EnvironmentMetadata


def test_the_facts_of_this_machine() -> None:
    found = collect_environment()

    assert found.hostname == socket.gethostname()
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    assert found.boot_id == found.machine == boot_id
    assert found.model_copy(update={"boot_id": None}).machine == found.hostname
    assert found.logical_cpus == os.cpu_count()
    assert found.affinity == tuple(sorted(os.sched_getaffinity(0)))
    assert found.memory_bytes == psutil.virtual_memory().total
    assert found.cpu_model
    assert found.packages["psutil"] == psutil.__version__
    assert found.lem_version[0].isdigit()


def test_only_named_variables_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("HF_TOKEN", "hf_secret-value")
    monkeypatch.setenv("OMP_SECRET_THREADS", "secret-value")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    found = collect_environment()

    assert found.thread_settings["OMP_NUM_THREADS"] == "3"
    assert "MKL_NUM_THREADS" not in found.thread_settings
    assert "secret-value" not in found.model_dump_json()


def test_no_engine_is_imported_and_it_is_quick() -> None:
    code = """
import json, sys, time
from llenergymeasure.core.environment import collect_environment
begin = time.process_time()
collect_environment()
took = time.process_time() - begin
engines = {"torch", "transformers", "codecarbon", "numpy"} & set(sys.modules)
print(json.dumps({"took_s": took, "engines": sorted(engines)}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=180, check=True
    )
    found = json.loads(done.stdout)
    assert found["engines"] == []
    # The CPU's time, which a busy machine hardly lengthens: 0.03 s here, and 0.2 s is the promise.
    assert found["took_s"] < 0.2


@pytest.mark.parametrize(
    ("files", "env", "expected"),
    [
        ({}, {}, None),
        ({".dockerenv": ""}, {}, "docker"),
        ({"run/.containerenv": ""}, {}, "podman"),
        ({}, {"container": "systemd-nspawn"}, "systemd-nspawn"),
        ({}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "kubernetes"),
        ({"proc/1/cgroup": "0::/kubepods/burstable/pod1/x\n"}, {}, "kubernetes"),
        ({"proc/1/cgroup": "1:name=systemd:/docker/abc\n"}, {}, "docker"),
        ({"proc/1/cgroup": "0::/init.scope\n"}, {}, None),
    ],
)
def test_containers_are_recognised(
    tmp_path: Path, files: dict[str, str], env: dict[str, str], expected: str | None
) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert container(tmp_path, env) == expected


def test_processors_are_recorded_with_the_result() -> None:
    found = collect_environment()
    assert found.kernel == os.uname().release
    assert found.cpu is not None
    assert found.cpu.physical_cores == psutil.cpu_count(logical=False)
    assert found.gpus == tuple(gpu.name for gpu in found.gpu_details)


def test_what_older_versions_stored_can_be_read() -> None:
    stored = {"hostname": "h", "os": "o", "python_version": "3", "lem_version": "0", "gpus": ["A"]}
    found = EnvironmentMetadata.model_validate(stored)
    assert (found.gpus, found.gpu_details, found.cpu) == (("A",), (), None)
