from __future__ import annotations

from llenergymeasure.domain.conditions import DeviceConditions, Spread
from llenergymeasure.results.sums.conditions import merge_conditions


def seen(device_id: str | None, degrees: float, n: int, **more: object) -> DeviceConditions:
    spread = Spread(min=degrees - 1, mean=degrees, max=degrees + 2, n=n)
    return DeviceConditions.model_validate(
        {"device": "gpu:0", "device_id": device_id, "temperature_c": spread, **more}
    )


def test_cycles_of_one_device_are_one_summary() -> None:
    (both,) = merge_conditions(
        [
            ("a", seen("GPU-1", 50, 10, throttle_share={"hw_slowdown": 0.5}, processes=(7,))),
            ("a", seen("GPU-1", 60, 30, processes=(7, 8), foreign_processes=())),
        ]
    )
    assert both.temperature_c == Spread(min=49, mean=57.5, max=62, n=40)
    assert both.throttle_share == {"hw_slowdown": 0.125}
    assert both.processes == (7, 8)
    # Not known in one cycle is not known of both.
    assert both.foreign_processes is None
    assert both.power_w is None


def test_devices_of_two_hosts_stay_two() -> None:
    hosts = [("a", seen(None, 50, 1)), ("b", seen(None, 60, 1)), ("a", seen("GPU-1", 70, 1))]
    assert merge_conditions(hosts) == tuple(one for _, one in hosts)
