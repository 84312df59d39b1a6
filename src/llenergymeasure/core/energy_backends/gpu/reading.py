"""From what a device said to a reading: a number with its interval, or none with a reason."""

from __future__ import annotations

import math

from llenergymeasure.core.energy_backends.gpu.counter_energy import Counted, count_energy
from llenergymeasure.core.energy_backends.gpu.sensor_gain import SensorGain
from llenergymeasure.core.energy_backends.gpu.signal.counter_faults import counter_fault
from llenergymeasure.core.energy_backends.gpu.signal.power_integral import (
    Integral,
    integrate,
    longest_gap_ns,
)
from llenergymeasure.core.energy_backends.gpu.track import DeviceTrack
from llenergymeasure.domain.energy import (
    DomainReading,
    EnergyMethod,
    Evidence,
    MeasurementWindow,
    Uncertainty,
)
from llenergymeasure.domain.validity import Reason, ReasonCode

# Counter and power share a sensor; what they differ by beyond sampling is a fault of one of them.
WITNESS_BOUND = 0.10

# Nothing may go unseen for longer: a load can come and go, a counter be reset and catch up.
LONGEST_GAP_S = 1.0


def device_reading(
    track: DeviceTrack, who: DomainReading, gain: SensorGain, window: MeasurementWindow
) -> DomainReading:
    """The reading of one device.

    Args:
        track: What it said.
        who: The reading without a number: names, ids, standing findings.
        gain: How far its sensor may be off.
        window: When ``track`` began and ended.
    """
    witness = _integral(track)
    if not track.sensor.has_counter:
        return _by_power(track, who, gain, window, witness)
    value = count_energy(track)
    evidence = _evidence(track, witness, value)
    fault = (
        _report_lost(track)
        or counter_fault(track.seen.counter(), track.rhythm.counter)
        or _unread(value)
        or _contradict(value, witness)
    )
    if fault is not None or value is None:
        return _without_number(who, window, evidence, fault)
    parts = _parts(gain, value.joules, edge_j=value.edge_j)
    return _with_number(who, EnergyMethod.COUNTER, value.joules, parts, evidence, window)


def _by_power(
    track: DeviceTrack,
    who: DomainReading,
    gain: SensorGain,
    window: MeasurementWindow,
    integral: Integral | None,
) -> DomainReading:
    evidence = _evidence(track, integral, None)
    fault = _report_lost(track) or _report_unsupported(track) or _thin(integral)
    if fault is not None or integral is None:
        return _without_number(who, window, evidence, fault)
    joules = max(integral.joules, 0.0)
    parts = _parts(gain, joules, sampling_j=integral.uncertainty_j)
    return _with_number(who, EnergyMethod.INTEGRATED, joules, parts, evidence, window)


def _integral(track: DeviceTrack) -> Integral | None:
    sensor = track.rhythm.power_sensor(track.sensor.power_averaging_ns)
    return integrate(track.seen.power(), track.start_ns, track.end_ns, sensor)


def _longest_gap_s(track: DeviceTrack, integral: Integral | None) -> float | None:
    if integral is not None:
        return integral.longest_gap_ns / 1e9
    times_ns = track.seen.counter().before_ns
    if not track.sensor.has_counter or track.end_ns <= track.start_ns:
        return None
    return longest_gap_ns(times_ns, track.start_ns, track.end_ns) / 1e9


def _evidence(track: DeviceTrack, integral: Integral | None, value: Counted | None) -> Evidence:
    witness_j = integral.joules if integral and track.sensor.has_counter else None
    counter, power = track.rhythm.counter, track.rhythm.power
    return Evidence(
        counter_update_ms=counter.period_ns / 1e6 if counter else None,
        power_source=track.sensor.power_source,
        power_update_ms=power.period_ns / 1e6 if power else None,
        samples=integral.samples if integral else 0,
        missed=track.misses,
        longest_gap_s=_longest_gap_s(track, integral),
        witness_j=witness_j,
        witness_uncertainty_j=integral.scatter_j if integral and witness_j is not None else None,
        disagreement=(witness_j - value.joules) / value.joules
        if value and value.joules > 0 and witness_j is not None
        else None,
        tail_j=value.tail_j if value else None,
    )


def _parts(
    gain: SensorGain,
    joules: float,
    *,
    edge_j: float | None = None,
    sampling_j: float | None = None,
) -> Uncertainty:
    return Uncertainty(
        edge_j=edge_j,
        sampling_j=sampling_j,
        gain_j=gain.uncertainty_j(joules),
        gain_origin=gain.origin,
    )


def _with_number(
    who: DomainReading,
    method: EnergyMethod,
    joules: float,
    parts: Uncertainty,
    evidence: Evidence,
    window: MeasurementWindow,
) -> DomainReading:
    # Edges and sampling may err in step; the sensor's gain knows nothing of them.
    seen_j = (parts.edge_j or 0.0) + (parts.sampling_j or 0.0)
    findings = [*who.findings]
    if (evidence.longest_gap_s or 0.0) > LONGEST_GAP_S:
        detail = f"{who.name}: nothing was read for {evidence.longest_gap_s:.1f} s"
        findings.append(Reason(code=ReasonCode.SAMPLE_GAP, detail=detail))
    return who.model_copy(
        update={
            "method": method,
            "joules": joules,
            "uncertainty_j": math.hypot(seen_j, parts.gain_j or 0.0),
            "origin": _origin(method, evidence),
            "window": window,
            "uncertainty": parts,
            "evidence": evidence,
            "findings": tuple(findings),
        }
    )


def _without_number(
    who: DomainReading, window: MeasurementWindow, evidence: Evidence, fault: Reason | None
) -> DomainReading:
    fault = fault or _missing_samples()
    told = Reason(code=fault.code, detail=f"{who.name}: {fault.detail}")
    return who.model_copy(
        update={
            "reason": fault.detail,
            "window": window,
            "evidence": evidence,
            "findings": (*who.findings, told),
        }
    )


def _origin(method: EnergyMethod, evidence: Evidence) -> str:
    if method is EnergyMethod.COUNTER:
        return "NVML energy counter"
    return f"NVML power ({evidence.power_source})"


def _report_lost(track: DeviceTrack) -> Reason | None:
    if track.lost is None:
        return None
    return Reason(code=ReasonCode.DEVICE_LOST, detail=f"the GPU was lost ({track.lost})")


def _report_unsupported(track: DeviceTrack) -> Reason | None:
    if track.sensor.power_source is not None:
        return None
    detail = "the GPU offers neither an energy counter nor power"
    return Reason(code=ReasonCode.SENSOR_UNSUPPORTED, detail=detail)


def _unread(value: Counted | None) -> Reason | None:
    return _missing_samples() if value is None else None


def _thin(integral: Integral | None) -> Reason | None:
    if integral is None:
        return _missing_samples()
    gap_s = integral.longest_gap_ns / 1e9
    if gap_s <= LONGEST_GAP_S:
        return None
    detail = f"power was not read for {gap_s:.1f} s, in which anything can have happened"
    return Reason(code=ReasonCode.SAMPLES_MISSING, detail=detail)


def _missing_samples() -> Reason:
    detail = "the sensor could not be read at the window's ends"
    return Reason(code=ReasonCode.SAMPLES_MISSING, detail=detail)


def _contradict(value: Counted | None, witness: Integral | None) -> Reason | None:
    if value is None or witness is None:
        return None
    apart_j = abs(witness.joules - value.joules)
    if apart_j <= WITNESS_BOUND * value.joules + witness.scatter_j + value.edge_j:
        return None
    return Reason(
        code=ReasonCode.WITNESS_DISAGREES,
        detail=f"the energy counter says {value.joules:.1f} J and power over the same window "
        f"{witness.joules:.1f} J",
    )
