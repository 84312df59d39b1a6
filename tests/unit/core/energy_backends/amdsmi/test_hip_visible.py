from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llenergymeasure.core.energy_backends.amdsmi.hip_visible import (
    KnownAmdGpu,
    find_named_amd_gpus,
    visible_amd_gpus,
)
from llenergymeasure.exceptions import EnergyBackendError


def gpu(place: int, hip_id: int | None) -> KnownAmdGpu:
    return KnownAmdGpu(
        uuid=f"{place:x}aff74a0-0000-1000-8000-00000000000{place}",
        name="AMD Instinct MI300X",
        bdf=f"0000:{0xC1 + place:x}:00.0",
        hip_id=hip_id,
        hip_uuid=f"GPU-{place:x}beef",
    )


# HIP counts them backwards.
FOUR = [gpu(place, 3 - place) for place in range(4)]
UNORDERED = [gpu(place, None) for place in range(4)]


def test_all_are_seen_without_a_variable() -> None:
    assert visible_amd_gpus(UNORDERED, {"PATH": "/bin"}) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("env", "places"),
    [
        ({"HIP_VISIBLE_DEVICES": "0,2"}, [3, 1]),
        ({"HIP_VISIBLE_DEVICES": "2,0,2"}, []),
        ({"HIP_VISIBLE_DEVICES": "1.5,0x2"}, [2, 3]),
        ({"HIP_VISIBLE_DEVICES": "GPU-2beef,GPU-0beef"}, [2, 0]),
        ({"HIP_VISIBLE_DEVICES": "gpu-2beef"}, []),
        ({"HIP_VISIBLE_DEVICES": "0000:c2:00.0"}, [3]),
        ({"HIP_VISIBLE_DEVICES": "", "CUDA_VISIBLE_DEVICES": "1"}, []),
        ({"CUDA_VISIBLE_DEVICES": "1"}, [2]),
        ({"HIP_VISIBLE_DEVICES": "0", "CUDA_VISIBLE_DEVICES": "1"}, [3]),
        ({"ROCR_VISIBLE_DEVICES": "1,2"}, [2, 1]),
        ({"ROCR_VISIBLE_DEVICES": "1,2", "HIP_VISIBLE_DEVICES": "1"}, [1]),
        ({"ROCR_VISIBLE_DEVICES": "GPU-2beef,0"}, [2]),
        ({"ROCR_VISIBLE_DEVICES": "GPU-2beef,GPU-1beef", "HIP_VISIBLE_DEVICES": "1"}, [1]),
        ({"ROCR_VISIBLE_DEVICES": "1,1"}, []),
        ({"HIP_VISIBLE_DEVICES": ""}, []),
        ({"HIP_VISIBLE_DEVICES": "-1"}, []),
        ({"HIP_VISIBLE_DEVICES": "0,9,1"}, [3]),
    ],
)
def test_variables_choose_as_hip_reads_them(env: dict[str, str], places: list[int]) -> None:
    assert visible_amd_gpus(FOUR, env) == places


def test_an_order_that_is_not_known_is_not_guessed() -> None:
    with pytest.raises(EnergyBackendError, match="HIP_VISIBLE_DEVICES") as raised:
        visible_amd_gpus(UNORDERED, {"HIP_VISIBLE_DEVICES": "0"})
    assert "energy.amdsmi.devices" in (raised.value.hint or "")
    assert visible_amd_gpus(UNORDERED[:1], {"HIP_VISIBLE_DEVICES": "0"}) == [0]


@pytest.mark.parametrize(
    ("names", "places"),
    [
        (["1", "0"], [1, 0]),
        (["2AFF74A0"], [2]),
        (["0000:c4:00.0"], [3]),
        (["C4:00.0"], [3]),
        (["3", "0000:c4:00.0"], [3]),
    ],
)
def test_names_are_indices_uuids_or_bus_ids(names: list[str], places: list[int]) -> None:
    assert find_named_amd_gpus(UNORDERED, names) == places


@pytest.mark.parametrize("name", ["4", "", "aff74a0", "c9:00.0", "GPU-"])
def test_a_name_that_fits_none_or_several_is_refused(name: str) -> None:
    with pytest.raises(EnergyBackendError, match="names no GPU, or several") as raised:
        find_named_amd_gpus(UNORDERED, [name])
    assert "0 = 0aff74a0" in (raised.value.hint or "")


@given(st.permutations(range(4)), st.lists(st.integers(0, 3), max_size=4))
def test_a_filter_by_index_is_a_choice_among_hips_order(order: list[int], asked: list[int]) -> None:
    gpus = [gpu(place, hip_id) for place, hip_id in enumerate(order)]
    env = {"HIP_VISIBLE_DEVICES": ",".join(map(str, asked))}
    found = visible_amd_gpus(gpus, env)
    assert [order[place] for place in found] == (asked if len({*asked}) == len(asked) else [])
