"""Results as tables for other tools: CSV, JSON or Parquet, one row an experiment or a process.

Joules never stand alone: beside ``X_j`` are ``X_uncertainty_j`` (half of the meter's 95 % interval)
and ``X_origin`` (measured, estimated or replayed). What is missing is an empty cell (CSV) or null,
never 0.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from llenergymeasure.domain.energy import DomainReading, EnergyMethod
from llenergymeasure.domain.experiment import (
    AggregatedResult,
    Cycles,
    RawProcessResult,
    WarmupInfo,
)
from llenergymeasure.domain.metrics import EnergyMetrics, InferenceMetrics, LatencyMetrics
from llenergymeasure.results.sums.energy import reading_metrics
from llenergymeasure.results.sums.merging import sum_if_all
from llenergymeasure.results.sums.reasons import process_validity
from llenergymeasure.security import plain_text
from llenergymeasure.tables import arrow, write_parquet

Row = dict[str, Any]
FORMATS = ("csv", "json", "parquet")

_LATENCIES = ("e2e_ms", "ttft_ms", "itl_ms", "tpot_ms")
_QUANTILES = ("mean", "p50", "p90", "p95", "p99", "min", "max", "n")


def experiment_row(result: AggregatedResult) -> Row:
    """One experiment; the resolved config follows as ``config.*`` columns."""
    energy, compute = result.metrics.energy, result.metrics.compute
    return {
        "experiment_id": result.experiment_id,
        "config_name": result.config_name,
        "created_at": result.created_at.isoformat(),
        "model": result.model.name,
        "model_revision": result.model.revision,
        "backend": result.backend.name,
        "backend_version": result.backend.version,
        "dtype": result.model.dtype,
        "device": result.model.device,
        "hostname": result.environment.hostname,
        "validity": result.validity.status.value,
        "validity_reasons": " ".join(reason.code for reason in result.validity.reasons),
        "cycles": result.cycles.n,
        **_inference(result.metrics.inference),
        **_latency(result.metrics.latency),
        **_energy_per_cycle(result),
        **_energy(energy),
        "energy_total_cycles": result.cycles.n,
        **_marginal(energy),
        **_per("j_per_output_token", energy.j_per_output_token, energy),
        **_per("j_per_total_token", energy.j_per_total_token, energy),
        **_per("j_per_request", energy.j_per_request, energy),
        **_spread(result.cycles),
        "emissions_kg_co2": energy.emissions_kg_co2,
        "peak_memory_bytes": compute.peak_memory_bytes,
        "peak_memory_source": compute.peak_memory_source,
        "model_parameters": result.model.parameters,
        "prompts_source": result.prompts.source,
        "prompts_sha256": result.prompts.used_sha256,
        **_warmup(result.warmup),
        **flatten_record(result.config, "config."),
    }


def process_row(raw: RawProcessResult) -> Row:
    """One process in one cycle; each energy domain has its own columns."""
    energy = reading_metrics(raw.energy)
    validity = process_validity(raw, energy)
    row: Row = {
        "experiment_id": raw.experiment_id,
        "config_name": raw.config_name,
        "cycle": raw.cycle,
        "process_index": raw.process_index,
        "hostname": raw.environment.hostname,
        "created_at": raw.created_at.isoformat(),
        "backend": raw.backend.name,
        "model": raw.model.name,
        "start_utc": raw.window.start_utc.isoformat(),
        "validity": validity.status.value,
        "validity_reasons": " ".join(reason.code for reason in validity.reasons),
        **_inference(raw.inference),
        **_latency(raw.latency),
        "peak_memory_bytes": raw.compute.peak_memory_bytes,
        "threads": raw.load.threads,
        "other_cores_during": raw.load.during.other_cores if raw.load.during else None,
        "timeseries_file": raw.timeseries_file,
        "energy_backend": raw.energy.backend,
        **_energy(energy),
    }
    for domain in raw.energy.domains:
        prefix = f"energy_{domain.name}"
        row |= _joules(prefix, domain.joules, domain.uncertainty_j, _origin_of(domain, raw))
        row[f"{prefix}_source"] = domain.origin
        row[f"{prefix}_method"] = domain.method
        row[f"{prefix}_scope"] = domain.scope.value
        # One that holds others (psys) must not be added to them.
        row[f"{prefix}_counted"] = domain.counted
        row[f"{prefix}_reason"] = domain.reason
    for baseline in raw.baseline:
        prefix = f"energy_{baseline.name}_idle"
        row[f"{prefix}_w"] = baseline.power_w
        row[f"{prefix}_spread_w"] = baseline.spread_w
        row[f"{prefix}_level"] = baseline.level
        row[f"{prefix}_method"] = baseline.method
    return row


def _joules(name: str, value_j: float | None, half_j: float | None, origin: str | None) -> Row:
    """Joules with half the width of their interval and where they come from."""
    known = value_j is not None
    return {
        f"{name}_j": value_j,
        f"{name}_uncertainty_j": half_j if known else None,
        f"{name}_origin": origin if known else None,
    }


def _per(name: str, value_j: float | None, energy: EnergyMetrics) -> Row:
    """Joules per something: counts are exact, so the total's relative interval holds."""
    known = value_j is not None
    return {
        name: value_j,
        f"{name}_uncertainty": energy.half_width_of(value_j),
        f"{name}_origin": energy.origin if known else None,
    }


def _origin_of(domain: DomainReading, raw: RawProcessResult) -> str:
    if raw.energy.replayed:
        return "replayed"
    return "estimated" if domain.method is EnergyMethod.ESTIMATED else "measured"


def _energy(energy: EnergyMetrics) -> Row:
    """The sums. What is read in part only has no interval: the rest is not known."""
    estimated = [
        domain.uncertainty_j
        for domain in energy.domains
        if domain.method is EnergyMethod.ESTIMATED and domain.counted
    ]
    return {
        "energy_headline": energy.headline,
        **_joules("energy_total", energy.total_j, energy.uncertainty_j, energy.origin),
        **_joules(
            "energy_partial",
            energy.partial_j,
            energy.uncertainty_j if energy.partial_j == energy.total_j else None,
            energy.origin,
        ),
        **_joules("energy_estimated", energy.estimated_j, sum_if_all(estimated), "estimated"),
        "energy_measured_share": energy.measured_share,
        "energy_boundary": " ".join(energy.boundary),
        "energy_replayed": energy.replayed,
        "energy_reason": energy.reason,
    }


def _energy_per_cycle(result: AggregatedResult) -> Row:
    """What compares between runs; both intervals of the mean, each for itself."""
    mean = result.cycles.energy
    stats = result.cycles.stats.total_j
    known = mean is not None and mean.mean_j is not None
    low_j, high_j = (stats.ci95 if known and stats is not None else None) or (None, None)
    return {
        **_joules(
            "energy_per_cycle",
            mean.mean_j if mean else None,
            mean.meter_uncertainty_j if mean else None,
            result.metrics.energy.origin,
        ),
        "energy_per_cycle_spread_std_j": mean.std_j if mean else None,
        "energy_per_cycle_spread_uncertainty_j": mean.spread_uncertainty_j if mean else None,
        "energy_per_cycle_spread_low_j": low_j,
        "energy_per_cycle_spread_high_j": high_j,
        "energy_per_cycle_n": mean.n if known and mean else None,
    }


def _spread(cycles: Cycles) -> Row:
    """Mean, standard deviation and 95 % interval over the cycles, of each quantity."""
    row: Row = {}
    for name, stats in cycles.stats:
        low, high = (stats.ci95 if stats is not None else None) or (None, None)
        row |= {
            f"cycles.{name}.mean": stats.mean if stats else None,
            f"cycles.{name}.std": stats.std if stats else None,
            f"cycles.{name}.ci95_low": low,
            f"cycles.{name}.ci95_high": high,
            f"cycles.{name}.n": stats.n if stats else 0,
        }
    return row


def _marginal(energy: EnergyMetrics) -> Row:
    """Energy above idle, and what was taken off for it."""
    taken_off = [b for b in energy.baseline or () if b.power_w is not None]
    known = energy.marginal_j is not None
    idle_j = (energy.total_j or 0.0) - (energy.marginal_j or 0.0) if known else None
    origin = energy.origin
    return {
        **_joules("energy_marginal", energy.marginal_j, energy.marginal_uncertainty_j, origin),
        "energy_idle_level": " ".join(dict.fromkeys(b.level for b in taken_off)) or None,
        # Its interval is in that of the marginal energy; alone it is not stored.
        **_joules("energy_idle", idle_j, None, origin),
        "energy_baseline_reason": energy.baseline_reason,
    }


def _warmup(warmup: WarmupInfo) -> Row:
    return {
        "warmup_mode": warmup.mode,
        "warmup_prompts": warmup.prompts,
        "warmup_iterations": warmup.iterations,
        "warmup_duration_s": warmup.duration_s,
        "warmup_final_cv": warmup.final_cv,
        "warmup_converged": warmup.converged,
    }


def export_table(rows: Sequence[Row], form: str) -> bytes:
    """Rows in one of ``FORMATS``; columns are the union over all rows, in order of first sight.

    Raises:
        ValueError: There is no such format.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    whole = [{name: row.get(name) for name in columns} for row in rows]
    if form == "json":
        return (json.dumps(whole, indent=2) + "\n").encode()
    if form == "csv":
        return _csv(columns, whole)
    if form == "parquet":
        return _parquet(whole)
    raise ValueError(f"{form!r} is none of {', '.join(FORMATS)}")


def flatten_record(data: Mapping[str, Any], prefix: str = "") -> Row:
    """Nested mappings as dotted keys; lists as JSON text, so that a cell is one value."""
    row: Row = {}
    for key, value in data.items():
        if isinstance(value, Mapping):
            row |= flatten_record(value, f"{prefix}{key}.")
        else:
            row[f"{prefix}{key}"] = json.dumps(value) if isinstance(value, list) else value
    return row


def _inference(inference: InferenceMetrics) -> Row:
    most = inference.errors[0] if inference.errors else None
    return {
        **inference.model_dump(exclude={"errors"}),
        "most_frequent_error": most.text if most else None,
        "most_frequent_error_requests": most.count if most else 0,
    }


def _latency(latency: LatencyMetrics) -> Row:
    row: Row = {"latency_mode": latency.mode}
    for name in _LATENCIES:
        summary = getattr(latency, name)
        for quantile in _QUANTILES:
            key = f"{name.removesuffix('_ms')}_{quantile}" + ("" if quantile == "n" else "_ms")
            row[key] = None if summary is None else getattr(summary, quantile)
    return row


def _csv(columns: Sequence[str], rows: Iterable[Row]) -> bytes:
    text = io.StringIO(newline="")
    lines = [columns, *([row[name] for name in columns] for row in rows)]
    # A carriage return alone is not quoted by itself, and ends a line for those who read it.
    returns = any("\r" in cell for line in lines for cell in line if isinstance(cell, str))
    writer = csv.writer(
        text, lineterminator="\n", quoting=csv.QUOTE_ALL if returns else csv.QUOTE_MINIMAL
    )
    writer.writerows([plain_text(cell) for cell in line] for line in lines)
    return text.getvalue().encode()


def _parquet(rows: Sequence[Row]) -> bytes:
    return write_parquet([arrow().Table.from_pylist([_uniform(row) for row in rows])])


def _uniform(row: Row) -> Row:
    # A config value may be a number in one row and text in another; Parquet has one type a column.
    return {
        name: str(value) if name.startswith("config.") and value is not None else value
        for name, value in row.items()
    }
