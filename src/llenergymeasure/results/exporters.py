"""Results as tables for other tools: CSV, JSON or Parquet, one row an experiment or a process.

Estimates keep their name in every row: ``energy_headline`` says what ``energy_total_j`` is. What is
missing is an empty cell (CSV) or null, never 0.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from llenergymeasure.domain.experiment import AggregatedResult, RawProcessResult, WarmupInfo
from llenergymeasure.domain.metrics import EnergyMetrics, InferenceMetrics, LatencyMetrics

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
        "energy_headline": energy.headline,
        "energy_total_j": energy.total_j,
        "energy_partial_j": energy.partial_j,
        "energy_estimated_j": energy.estimated_j,
        "energy_measured_share": energy.measured_share,
        "energy_uncertainty_j": energy.uncertainty_j,
        "energy_boundary": " ".join(energy.boundary),
        "energy_replayed": energy.replayed,
        "energy_reason": energy.reason,
        **_marginal(energy),
        "j_per_output_token": energy.j_per_output_token,
        "j_per_total_token": energy.j_per_total_token,
        "j_per_request": energy.j_per_request,
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
        **_inference(raw.inference),
        **_latency(raw.latency),
        "peak_memory_bytes": raw.compute.peak_memory_bytes,
        "threads": raw.load.threads,
        "other_cores_during": raw.load.during.other_cores if raw.load.during else None,
        "timeseries_file": raw.timeseries_file,
        "energy_backend": raw.energy.backend,
        "energy_replayed": raw.energy.replayed,
    }
    for domain in raw.energy.domains:
        prefix = f"energy_{domain.name}"
        row[f"{prefix}_j"] = domain.joules
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


def _marginal(energy: EnergyMetrics) -> Row:
    """Energy above idle, and what was taken off for it."""
    taken_off = [b for b in energy.baseline or () if b.power_w is not None]
    known = energy.marginal_j is not None
    return {
        "energy_marginal_j": energy.marginal_j,
        "energy_marginal_uncertainty_j": energy.marginal_uncertainty_j,
        "energy_idle_level": " ".join(dict.fromkeys(b.level for b in taken_off)) or None,
        "energy_idle_j": (energy.total_j or 0.0) - (energy.marginal_j or 0.0) if known else None,
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
    return inference.model_dump()


def _latency(latency: LatencyMetrics) -> Row:
    row: Row = {"latency_mode": latency.mode}
    for name in _LATENCIES:
        summary = getattr(latency, name)
        for quantile in _QUANTILES:
            key = f"{name.removesuffix('_ms')}_{quantile}" + ("" if quantile == "n" else "_ms")
            row[key] = None if summary is None else getattr(summary, quantile)
    return row


def _csv(columns: Iterable[str], rows: Iterable[Row]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _parquet(rows: Sequence[Row]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([_uniform(row) for row in rows]), buffer)
    return buffer.getvalue()


def _uniform(row: Row) -> Row:
    # A config value may be a number in one row and text in another; Parquet has one type a column.
    return {
        name: str(value) if name.startswith("config.") and value is not None else value
        for name, value in row.items()
    }
