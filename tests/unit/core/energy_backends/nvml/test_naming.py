from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from llenergymeasure.core.energy_backends.nvml.naming import domain_of
from llenergymeasure.domain.validity import ReasonCode


@pytest.mark.parametrize(
    ("name", "sliced", "codes"),
    [
        ("NVIDIA H100 80GB HBM3", False, []),
        ("NVIDIA H100 80GB HBM3", True, [ReasonCode.MIG_SHARED]),
        ("NVIDIA GH200 480GB", False, [ReasonCode.MODULE_COUNTER]),
        ("NVIDIA GB200", False, [ReasonCode.MODULE_COUNTER]),
        ("NVIDIA GeForce RTX 4090", False, []),
    ],
)
def test_what_stands_against_a_gpu_as_such(
    name: str, sliced: bool, codes: list[ReasonCode]
) -> None:
    device: Any = SimpleNamespace(index=3, uuid="GPU-1", name=name, sliced=sliced)
    domain = domain_of(device)
    assert (domain.name, domain.device_id) == ("gpu:3", "GPU-1")
    assert [finding.code for finding in domain.findings] == codes
    assert all(finding.detail.startswith("gpu:3 is ") for finding in domain.findings)
