from __future__ import annotations

from contextlib import closing

import pytest
from pydantic import ValidationError

from llenergymeasure.config.backend_configs import AmdSmiConfig, NvmlConfig
from llenergymeasure.core.energy_backends.gpu.absent import LibraryMissingError
from llenergymeasure.core.energy_backends.gpu.reading import LONGEST_GAP_S
from llenergymeasure.core.energy_backends.nvml.backend import NvmlBackend
from llenergymeasure.core.energy_backends.nvml.devices import Nvml
from llenergymeasure.domain.validity import ReasonCode


@pytest.mark.parametrize(
    ("devices", "broken", "expected"),
    [(None, False, False), (None, True, True), (("0",), False, True), (("0",), True, True)],
)
def test_a_gpu_that_was_named_is_expected_also_without_a_driver(
    devices: tuple[str, ...] | None, broken: bool, expected: bool
) -> None:
    def open_nvml() -> Nvml:
        raise LibraryMissingError("there is no NVIDIA driver", broken=broken)

    with closing(NvmlBackend(NvmlConfig(devices=devices), open_nvml)) as backend:
        backend.prepare()
        backend.start()
        (domain,) = backend.stop().domains
    assert (domain.joules, domain.expected) == (None, expected)
    assert [finding.code for finding in domain.findings] == [ReasonCode.NVML_UNAVAILABLE]


@pytest.mark.parametrize("options", [NvmlConfig, AmdSmiConfig])
def test_no_interval_is_a_gap_by_itself(options: type[NvmlConfig | AmdSmiConfig]) -> None:
    """A reading with the longest interval that is taken must not be told for its gaps."""
    longest_ms = LONGEST_GAP_S * 1e3 / 2
    assert options(interval_ms=longest_ms).interval_ms == longest_ms
    with pytest.raises(ValidationError, match="less than or equal to 500"):
        options(interval_ms=longest_ms + 1)
