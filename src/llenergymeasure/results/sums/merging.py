"""One reading a domain over several cycles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from llenergymeasure.domain.energy import DomainReading, MeasurementWindow, Uncertainty
from llenergymeasure.results.sums.domains import kind
from llenergymeasure.results.sums.wording import join_by_cycle

# Wall clocks are set a little now and then; monotonic clocks of two boots differ by far more.
_SAME_CLOCK_S = 1.0


def merge_domains(domains: Mapping[int, Sequence[DomainReading]]) -> list[DomainReading]:
    """One reading a domain over all cycles; without a number if it is missing in one of them."""
    groups: dict[tuple[str, ...], list[tuple[int, DomainReading]]] = {}
    for cycle, of_cycle in domains.items():
        for domain in of_cycle:
            named = domain.name if domain.device_id is None else kind(domain)
            key = (named, domain.scope, domain.device_id or "")
            groups.setdefault(key, []).append((cycle, domain))
    return [_merge(group, len(domains)) for group in groups.values()]


def _merge(group: Sequence[tuple[int, DomainReading]], cycles: int) -> DomainReading:
    # A host that has no such domain takes nothing from those that have one.
    group = [(c, d) for c, d in group if d.expected or d.joules is not None] or group
    readings = [domain for _, domain in group]
    if len(readings) == 1 and (cycles == 1 or readings[0].joules is not None):
        return readings[0]
    methods = {d.method for d in readings if d.joules is not None and d.method is not None}
    missing: dict[str, list[int]] = {}
    for cycle, domain in group:
        if domain.joules is None:
            missing.setdefault(domain.reason or "unknown", []).append(cycle)
    reason = join_by_cycle(missing, cycles) if missing else None
    if len(methods) > 1 and not missing:
        names = ", ".join(sorted(methods))
        reason = f"read in different ways, which do not add up: {names}"
    whole = reason is None
    origins = dict.fromkeys(d.origin for d in readings if d.origin is not None)
    sources = {domain.source for domain in readings}
    return DomainReading(
        name=readings[0].name,
        scope=readings[0].scope,
        method=methods.pop() if whole else None,
        joules=sum(d.joules or 0.0 for d in readings) if whole else None,
        uncertainty_j=sum_if_all(d.uncertainty_j for d in readings) if whole else None,
        origin="; ".join(origins) or None,
        device_id=readings[0].device_id,
        expected=any(domain.expected for domain in readings),
        reason=reason,
        window=_join_windows([d.window for d in readings if d.window is not None]),
        uncertainty=_sum_parts([d.uncertainty for d in readings]) if whole else None,
        source=sources.pop() if len(sources) == 1 else None,
        counted=readings[0].counted,
        instead_of=tuple(dict.fromkeys(why for d in readings for why in d.instead_of)),
    )


def _sum_parts(parts: Sequence[Uncertainty | None]) -> Uncertainty | None:
    """The parts of a sum's interval; None where one reading does not tell its own."""
    known = [part for part in parts if part is not None]
    if not known or len(known) < len(parts):
        return None
    names = ("edge_j", "sampling_j", "gain_j", "model_j")
    sums = {name: sum_if_all(getattr(part, name) for part in known) for name in names}
    origins = {
        name: "; ".join(dict.fromkeys(o for part in known if (o := getattr(part, name)))) or None
        for name in ("gain_origin", "model_origin")
    }
    return Uncertainty.model_validate({**sums, **origins})


def _join_windows(windows: Sequence[MeasurementWindow]) -> MeasurementWindow | None:
    """From the first start to the last end; ``duration_s`` is the measured time within."""
    if not windows:
        return None
    first = min(windows, key=lambda window: window.start_utc)
    last = max(windows, key=lambda window: window.start_utc)
    end_ns = last.end_monotonic_ns
    clocks_s = {w.start_utc.timestamp() - w.start_monotonic_ns / 1e9 for w in windows}
    if max(clocks_s) - min(clocks_s) > _SAME_CLOCK_S:
        # Another host, or another boot: only wall clocks compare.
        apart = last.start_utc - first.start_utc
        end_ns = first.start_monotonic_ns + round((apart.total_seconds() + last.duration_s) * 1e9)
    return MeasurementWindow(
        start_monotonic_ns=first.start_monotonic_ns,
        end_monotonic_ns=end_ns,
        start_utc=first.start_utc,
        duration_s=sum(window.duration_s for window in windows),
    )


def sum_if_all(values: Iterable[float | None]) -> float | None:
    """The sum, or None if a part is not known or there is none."""
    known = list(values)
    if not known or any(value is None for value in known):
        return None
    return sum(value for value in known if value is not None)
