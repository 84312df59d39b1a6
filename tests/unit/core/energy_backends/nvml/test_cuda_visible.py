from __future__ import annotations

import pytest

from llenergymeasure.core.energy_backends.nvml.cuda_visible import (
    Chosen,
    KnownGpu,
    find_named_gpus,
    visible_gpus,
)
from llenergymeasure.exceptions import EnergyBackendError

GPUS = [
    KnownGpu("GPU-aa000000-1", "H100", "00000000:10:00.0"),
    KnownGpu("GPU-ab000000-2", "H100", "00000000:20:00.0"),
    KnownGpu("GPU-bb000000-3", "H100", "0000000A:10:00.0"),
]
SLICES = {"MIG-1": "GPU-aa000000-1", "MIG-2": "GPU-aa000000-1", "MIG-3": "GPU-bb000000-3"}


def positions(value: str | None, gpus: list[KnownGpu] = GPUS, **env: str) -> list[int]:
    if value is not None:
        env["CUDA_VISIBLE_DEVICES"] = value
    return [chosen.position for chosen in visible_gpus(gpus, env, SLICES.get)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, [0, 1, 2]),
        ("", []),
        ("-1", []),
        ("2", [2]),
        ("2, 0", [2, 0]),
        ("0,-1,1", [0]),
        ("1,7,0", [1]),
        ("0,nonsense,1", [0]),
        ("NoDevFiles", []),
        ("1,1", []),
        ("0,9,9", []),
        ("1.5", [1]),
        ("0x1", [0]),
        ("2 ,1gpu", [2, 1]),
        (" 2", [2]),
        ("+1,-0", [1, 0]),
        (",1", []),
        ("1,,2", [1]),
        ("-", []),
        ("GPU-ab,GPU-ab000000-2", []),
        ("GPU-ab, GPU-bb", [1]),
        (" GPU-ab", []),
        ("1,GPU-bb", [1]),
        ("GPU-ab,0", [1]),
        ("GPU-ab,MIG-1", [1]),
        ("mig-1", []),
        ("MIG-1,MIG-1", []),
        ("GPU-ab", [1]),
        ("gpu-ab000000-2", []),
        ("GPU-AB000000-2", []),
        ("GPU-a", []),
        ("GPU-cc,0", []),
        ("GPU-bb,GPU-aa", [2, 0]),
        ("MIG-3", [2]),
        ("MIG-1,MIG-2", [0]),
        ("MIG-9,0", []),
    ],
)
def test_what_a_cuda_program_sees(value: str | None, expected: list[int]) -> None:
    assert positions(value) == expected


def test_a_slice_is_remembered() -> None:
    chosen = visible_gpus(GPUS, {"CUDA_VISIBLE_DEVICES": "MIG-3,MIG-1,1"}, SLICES.get)
    assert chosen == [Chosen(2, mig="MIG-3"), Chosen(0, mig="MIG-1")]


def test_indices_of_unequal_gpus_need_a_known_order() -> None:
    mixed = [*GPUS, KnownGpu("GPU-dd", "RTX 4090", "00000000:30:00.0")]

    with pytest.raises(EnergyBackendError) as caught:
        positions("0", mixed)
    assert "CUDA_DEVICE_ORDER=PCI_BUS_ID" in (caught.value.hint or "")
    assert positions("3", mixed, CUDA_DEVICE_ORDER="PCI_BUS_ID") == [3]
    assert positions("GPU-dd", mixed) == [3]
    assert positions(None, mixed) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("1", 1),
        ("gpu:1", 1),
        ("GPU-bb", 2),
        ("MIG-2", 0),
        ("00000000:20:00.0", 1),
        ("0000:20:00.0", 1),
        ("20:00.0", 1),
        ("000a:10:00.0", 2),
    ],
)
def test_names_of_a_config(name: str, expected: int) -> None:
    assert [chosen.position for chosen in find_named_gpus([name], GPUS, SLICES.get)] == [expected]


@pytest.mark.parametrize("name", ["3", "GPU-a", "GPU-zz", "10:00.0", "MIG-9", "", "gpu"])
def test_a_name_that_fits_none_or_several_is_refused(name: str) -> None:
    with pytest.raises(EnergyBackendError, match=r"energy\.nvml\.devices") as caught:
        find_named_gpus([name], GPUS, SLICES.get)
    assert "0 = GPU-aa000000-1" in (caught.value.hint or "")
