"""What a process sees is what PyTorch, whose reader follows CUDA's, says that it sees."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from llenergymeasure.core.energy_backends.amdsmi.hip_visible import KnownAmdGpu, visible_amd_gpus
from llenergymeasure.core.energy_backends.gpu.visible import find_visible, parse_visible
from llenergymeasure.core.energy_backends.nvml.cuda_visible import KnownGpu, visible_gpus

torch = pytest.importorskip("torch")

UUIDS = [
    "GPU-aa000000-1111-4000-8000-000000000001",
    "GPU-ab000000-2222-4000-8000-000000000002",
    "GPU-ab000000-2222-4000-8000-000000000003",
    "GPU-0b000000-3333-4000-8000-000000000004",
]
numbers = st.integers(-2, 6).map(str) | st.sampled_from(
    ["1.5", "0x1", "1gpu", "2ampere", "+1", "-0", "01", "1 2", "1e3", "7", "1_0", "9" * 30]
)
names = st.builds(
    lambda uuid, length: uuid[:length], st.sampled_from(UUIDS), st.integers(0, len(UUIDS[0]))
)
slices = st.sampled_from(["MIG-1", "MIG-GPU-aa/1/0", "MIG-2", "mig-1", "MIG-"])
noise = st.text(alphabet="0123456789+-.,x GPUMIGgpuabcdef\t/:_", max_size=6)
entry = st.one_of(
    numbers,
    names,
    names.map(str.lower),
    names.map(lambda name: name.removeprefix("GPU-")),
    slices,
    noise,
    st.just(""),
)
spaces = st.sampled_from(["", "", "", " ", "\t", "  "])
lists = st.one_of(
    st.lists(numbers, max_size=5).map(",".join),
    st.lists(names, max_size=4).map(",".join),
    st.lists(st.builds("{}{}{}".format, spaces, entry, spaces), max_size=5).map(",".join),
)


@contextmanager
def environment(hip: str | None = None, **variables: str) -> Iterator[None]:
    kept = {name: value for name, value in os.environ.items() if "VISIBLE_DEVICES" not in name}
    with (
        mock.patch.dict(os.environ, {**kept, **variables}, clear=True),
        mock.patch.object(torch.version, "hip", hip),
    ):
        yield


def torch_entries() -> list[int] | list[str]:
    try:
        found: list[int] | list[str] = torch.cuda._parse_visible_devices()
    except ValueError:
        # A lone sign; the one thing that PyTorch does not read.
        assume(False)
    return found


@example("0,0")
@example("1.5")
@example("0x1")
@example("0,9,9")
@example("gpu-aa000000")
@example("GPU-aa,GPU-aa000000")
@example("GPU-")
@example("")
@given(lists)
def test_a_list_is_read_as_pytorch_reads_it(text: str) -> None:
    with environment(CUDA_VISIBLE_DEVICES=text):
        assert parse_visible(text) == torch_entries()


@given(lists, st.integers(0, len(UUIDS)))
def test_a_cuda_program_sees_what_pytorch_counts(text: str, count: int) -> None:
    uuids = UUIDS[:count]
    gpus = [KnownGpu(uuid, "H100", "") for uuid in uuids]
    with environment(CUDA_VISIBLE_DEVICES=text):
        entries = torch_entries()
        # PyTorch leaves these to CUDA.
        assume(not (entries and str(entries[0]).startswith("MIG-")))
        with (
            mock.patch.object(torch.cuda, "_raw_device_count_nvml", lambda: count),
            mock.patch.object(torch.cuda, "_raw_device_uuid_nvml", lambda: uuids),
        ):
            counted = torch.cuda._device_count_nvml()
    seen = [one.position for one in visible_gpus(gpus, {"CUDA_VISIBLE_DEVICES": text}, {}.get)]
    assert len(seen) == counted
    if entries and isinstance(entries[0], str):
        assert seen == torch.cuda._transform_uuid_to_ordinals(entries, uuids)
    else:
        assert seen == entries[:counted]


@pytest.mark.parametrize("variable", ["HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"])
@given(text=lists)
def test_a_hip_program_sees_what_pytorch_counts(variable: str, text: str) -> None:
    gpus = [
        KnownAmdGpu(uuid="", name="MI300X", bdf=f"0000:c{place}:00.0", hip_id=place, hip_uuid=uuid)
        for place, uuid in enumerate(UUIDS)
    ]
    serials = [uuid.removeprefix("GPU-") for uuid in UUIDS]
    with environment(hip="6.4", **{variable: text}):
        entries = torch_entries()
        if entries and isinstance(entries[0], str):
            assume(not entries[0].startswith("MIG-"))
            expected = torch.cuda._transform_uuid_to_ordinals(entries, serials)
        else:
            within = (place for place, number in enumerate(entries) if number >= len(gpus))
            expected = entries[: next(within, len(entries))]
    assert visible_amd_gpus(gpus, {variable: text}) == expected


@pytest.mark.parametrize("text", ["+", "-", "+,0", "٣", "9" * 5000, "²"])
def test_what_pytorch_cannot_read_names_nothing_here(text: str) -> None:
    assert find_visible(parse_visible(text), UUIDS) == []
