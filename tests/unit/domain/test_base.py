"""No record holds a number that cannot be, whichever record and whichever field."""

from __future__ import annotations

import importlib
import math
import pkgutil
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
from pydantic import ValidationError

import llenergymeasure.domain
from llenergymeasure.domain.base import Record, describe_refusal
from llenergymeasure.domain.conditions import DeviceConditions, Spread
from llenergymeasure.domain.energy import DomainReading, EnergyScope, MeasurementWindow
from llenergymeasure.domain.metrics import InferenceMetrics, LatencySummary

for module in pkgutil.walk_packages(
    llenergymeasure.domain.__path__, f"{llenergymeasure.domain.__name__}."
):
    importlib.import_module(module.name)

# Everything else is never negative.
MAY_BE_NEGATIVE = {
    # A difference of two numbers.
    "EnergyMetrics.marginal_j",
    "CycleValues.marginal_j",
    "CrossCheck.disagreement",
    "Evidence.disagreement",
    # Of a counter that fell: the evidence for why there are no joules.
    "Evidence.tail_j",
    # Of marginal_j over the cycles.
    "CycleStats.mean",
    "CycleStats.ci95",
    "CycleStats.cv",
    # A temperature; the other quantities are held by the record that has them.
    "Spread.min",
    "Spread.mean",
    "Spread.max",
    "WarmupInfo.temperatures_start_c",
    "WarmupInfo.temperatures_end_c",
    # As the checkpoint says.
    "ModelInfo.eos_token_ids",
}


def records(of: type[Record] = Record) -> Iterator[type[Record]]:
    for model in of.__subclasses__():
        if model.__module__.startswith("llenergymeasure.domain."):
            yield model
        yield from records(model)


def put(annotation: Any, number: float) -> Iterator[Any]:
    """Values of a type with ``number`` in each place where a number can stand."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation in (int, float):
        yield number
    elif origin is Annotated:
        yield from put(inner[0], number)
    elif origin in (Union, types.UnionType):
        for one in inner:
            yield from put(one, number)
    elif origin is tuple:
        for one in inner[:1]:
            for value in put(one, number):
                yield [value] * (1 if inner[1:] == (...,) else len(inner))
    elif origin is dict:
        for value in put(inner[1], number):
            yield {"name": value}
    elif origin is not Literal:
        assert not inner, f"the walk does not know {annotation}"


def numbers(number: float) -> list[Any]:
    return [
        pytest.param(model, name, value, id=f"{model.__name__}.{name}")
        for model in records()
        for name, field in model.model_fields.items()
        for value in put(field.annotation, number)
    ]


def refuses(model: type[Record], name: str, value: Any) -> bool:
    try:
        model.model_validate({name: value})
    except ValidationError as error:
        return any(found["loc"][:1] == (name,) for found in error.errors())
    return False


def test_the_walk_finds_the_numbers() -> None:
    names = {param.id for param in numbers(1)}
    assert {
        "DomainReading.joules",
        "Uncertainty.gain_j",
        "WarmupInfo.latencies_ms",
        "DeviceConditions.throttle_share",
        "CycleStats.ci95",
        "GpuDetails.power_limit_w",
    } <= names
    assert len(names) > 120
    assert {name for name in MAY_BE_NEGATIVE if name not in names} == set()


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("model", "name", "value"), numbers(1))
def test_no_field_holds_what_is_no_number(
    model: type[Record], name: str, value: Any, number: float
) -> None:
    annotation = model.model_fields[name].annotation
    for bad in put(annotation, number):
        assert refuses(model, name, bad)


@pytest.mark.parametrize(
    ("model", "name", "value"),
    [param for param in numbers(-1) if param.id not in MAY_BE_NEGATIVE],
)
def test_what_is_never_negative_is_refused_below_zero(
    model: type[Record], name: str, value: Any
) -> None:
    assert refuses(model, name, value)


@pytest.mark.parametrize(
    ("model", "name", "value"), [p for p in numbers(1.5) if "share" in str(p.id)]
)
def test_a_share_is_at_most_the_whole(model: type[Record], name: str, value: Any) -> None:
    assert refuses(model, name, value)


@pytest.mark.parametrize("degrees", [-300.0, 5000.0, 4294967295.0])
def test_a_temperature_is_one_that_can_be(degrees: float) -> None:
    spread = {"min": degrees, "mean": degrees, "max": degrees, "n": 1}
    assert refuses(DeviceConditions, "temperature_c", spread)


@pytest.mark.parametrize(
    "quantity", [name for name, f in DeviceConditions.model_fields.items() if "Spread" in str(f)]
)
def test_what_a_device_shows_has_the_sign_of_its_quantity(quantity: str) -> None:
    below = Spread(min=-1.0, mean=2.0, max=3.0, n=2)
    assert refuses(DeviceConditions, quantity, below) is (quantity != "temperature_c")


def test_a_window_does_not_end_before_it_starts() -> None:
    with pytest.raises(ValidationError, match="ends before it starts"):
        MeasurementWindow.model_validate(
            {
                "start_monotonic_ns": 2,
                "end_monotonic_ns": 1,
                "start_utc": "2030-01-01T00:00:00Z",
                "duration_s": 0,
            }
        )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"failed_requests": 3}, "more requests failed"),
        ({"truncated_requests": 3}, "more requests failed, or were truncated"),
        ({"total_tokens": 9}, "is not the sum"),
    ],
)
def test_counts_agree(changes: dict[str, int], words: str) -> None:
    sound = {
        "requests": 2,
        "failed_requests": 1,
        "input_tokens": 3,
        "output_tokens": 4,
        "total_tokens": 7,
        "duration_s": 1.0,
        "output_tokens_per_s": 4.0,
        "total_tokens_per_s": 7.0,
        "requests_per_s": 1.0,
    }
    InferenceMetrics.model_validate(sound)
    with pytest.raises(ValidationError, match=words):
        InferenceMetrics.model_validate(sound | changes)


def test_the_least_is_not_above_the_most() -> None:
    with pytest.raises(ValidationError, match="min is above max"):
        Spread(min=2, mean=1, max=1, n=1)
    with pytest.raises(ValidationError, match="min is above max"):
        LatencySummary(mean=1, p50=1, p90=1, p95=1, p99=1, min=2, max=1, n=1)


def test_a_refusal_says_field_fault_and_value() -> None:
    with pytest.raises(ValidationError) as caught:
        DomainReading(name="cpu", scope=EnergyScope.MACHINE, method=None, joules=-5.0)
    assert describe_refusal(caught.value) == (
        "joules: Input should be greater than or equal to 0 (it is -5.0)"
    )
