"""A result as a person would tell it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import shorten

from rich import box
from rich.cells import cell_len
from rich.console import Console, Group
from rich.panel import Panel
from rich.text import Text

from llenergymeasure.cli.display.before import warmup_words
from llenergymeasure.cli.display.energy import energy_rows, origin
from llenergymeasure.cli.display.prompts import dropped_words, prompts_words
from llenergymeasure.cli.display.text.console import prose_width
from llenergymeasure.cli.display.text.lines import Row, wrap_line
from llenergymeasure.cli.display.text.numbers import (
    MISSING,
    count,
    or_reason,
    plus_minus,
    seconds,
    significant,
    times,
)
from llenergymeasure.cli.display.text.tables import Column, print_table
from llenergymeasure.config.registry import inference_backend
from llenergymeasure.domain.experiment import AggregatedResult
from llenergymeasure.domain.metrics import LatencyMetrics, LatencySummary
from llenergymeasure.domain.statistics import CycleStats
from llenergymeasure.domain.validity import Severity, Validity, ValidityStatus, severity
from llenergymeasure.exceptions import UnknownBackendError
from llenergymeasure.security import printable

_LABEL_WIDTH = 20
_FRAME_WIDTH = 4
_MAX_ERRORS = 3
_MAX_ERROR_TEXT = 300

VERDICTS = {
    ValidityStatus.VALID: ("valid", "green"),
    ValidityStatus.DEGRADED: ("degraded: use with care", "yellow"),
    ValidityStatus.INVALID: ("invalid: do not use", "red"),
}


def print_result(to: Console, result: AggregatedResult, file: Path, next_command: str) -> None:
    """Print what was measured, the verdict, where it lies and what to type next."""
    rows = [*result_rows(result), ("Results", str(file)), ("Next", next_command)]
    style = VERDICTS[result.validity.status][1]
    lines = list(explain_validity(rows, prose_width(to) - _FRAME_WIDTH, style))
    widest = max(cell_len(line.plain) for line in lines)
    name = printable(result.config_name)
    if to.is_terminal and widest + _FRAME_WIDTH <= to.width:
        title = Text(f" {name} ", style="bold")
        frame = Panel(Group(*lines), box=box.ROUNDED, title=title, expand=False, border_style=style)
        to.print(frame)
    else:
        # A frame would cut the lines; without one the terminal wraps what is too long for it.
        to.print(Text(name, style="bold"), soft_wrap=True)
        for line in lines:
            to.print(line, soft_wrap=True)
    if result.cycles.n > 1:
        to.print()
        print_cycles(to, result)


def result_rows(result: AggregatedResult) -> Iterator[Row]:
    """Label and value of everything that is told; a row without a label belongs to the last."""
    yield from _setup_rows(result)
    yield from _work_rows(result)
    yield from energy_rows(result.metrics.energy, result.cycles)
    yield from latency_rows(result.metrics.latency)
    if result.cycles.n > 1:
        yield from _spread_rows(result)
    yield from validity_rows(result.validity)


def _setup_rows(result: AggregatedResult) -> Iterator[Row]:
    model, backend, prompts = result.model, result.backend, result.prompts
    parameters = f", {count(model.parameters)} parameters" if model.parameters else ""
    where = ", ".join(text for text in (model.dtype, model.device) if text)
    yield "Model", f"{model.name}{parameters}" + (f", {where}" if where else "")
    yield "Backend", f"{backend.name} {_engine(result) or backend.version or ''}".rstrip()
    yield "Prompts", prompts_words(prompts)
    yield from (("", words) for words in dropped_words(prompts))
    yield "Warm-up", warmup_words(result.warmup)


def _engine(result: AggregatedResult) -> str:
    """The libraries that answered; the backend's version alone would not say whose it is."""
    packages = result.environment.packages
    try:
        needed = inference_backend(result.backend.name).requires
    except UnknownBackendError:  # a plug-in that is not installed any more
        needed = ()
    engines = [name for name in needed if name in packages]
    return f"({', '.join(f'{name} {packages[name]}' for name in engines)})" if engines else ""


def _work_rows(result: AggregatedResult) -> Iterator[Row]:
    done = result.metrics.inference
    of = f", sum of {result.cycles.n} cycles" if result.cycles.n > 1 else ""
    failed = ""
    if done.failed_requests:
        none = done.failed_requests == done.requests
        failed = ", none answered" if none else f", {count(done.failed_requests)} of them failed"
    yield "Requests", f"{count(done.requests)}{of}{failed}"
    for error in done.errors[:_MAX_ERRORS]:
        text = shorten(error.text, _MAX_ERROR_TEXT, placeholder=" ...")
        yield "", f"{count(error.count)} failed with: {text}"
    more = done.errors[_MAX_ERRORS:]
    if more:
        yield (
            "",
            f"{count(sum(error.count for error in more))} failed with {len(more)} other errors",
        )
    yield "Tokens", f"{count(done.input_tokens)} in, {count(done.output_tokens)} out{of}"
    tokenising = done.tokenization_s
    of_it = "" if tokenising is None else f", {seconds(tokenising)} of it tokenising prompts"
    yield "Time", f"{seconds(done.duration_s)} measured{of_it}{of}"
    rate, total = significant(done.output_tokens_per_s), significant(done.total_tokens_per_s)
    yield "Throughput", f"{rate} output tokens/s, {total} tokens/s in all"


def latency_rows(latency: LatencyMetrics) -> Iterator[Row]:
    """End-to-end, and the token times where they were observed."""
    ends = {"batch_return": "the return of its batch", "streaming": "its last token"}
    yield "Latency", or_reason(_spread(latency.e2e_ms), latency.reason)
    yield "", f"from a request's dispatch to {ends[latency.mode]}"
    token_times = {
        "  first token": latency.ttft_ms,
        "  between tokens": latency.itl_ms,
        "  per later token": latency.tpot_ms,
    }
    if not any(token_times.values()):
        yield "  of tokens", or_reason(MISSING, latency.reason)
        return
    for name, summary in token_times.items():
        yield name, or_reason(_spread(summary), latency.reason)


def _spread(summary: LatencySummary | None) -> str:
    if summary is None:
        return MISSING
    p50, p95, p99, most = times((summary.p50, summary.p95, summary.p99, summary.max))
    told = [f"median {p50}"]
    told += [f"{name} {text}" for name, text in (("p95", p95), ("p99", p99)) if text != MISSING]
    # With fewer, a quantile near the end is the maximum by another name.
    if MISSING in (p95, p99):
        told.append(f"maximum {most}")
    return f"{', '.join(told)} (n = {count(summary.n)})"


def _spread_rows(result: AggregatedResult) -> Iterator[Row]:
    words = origin(result.metrics.energy)
    spread = result.cycles.stats
    yield "Cycle throughput", _stats(spread.output_tokens_per_s, "output tokens/s", "")
    # Without an idle baseline there is nothing to say here that was not said above.
    if spread.marginal_j is not None:
        yield "Cycle above idle", _stats(spread.marginal_j, "J", words)


def _stats(stats: CycleStats | None, unit: str, kind: str) -> str:
    if stats is None:
        return MISSING
    words = f" {unit}" + (f" ({kind})" if kind else "")
    if stats.ci95 is None:
        return f"mean {significant(stats.mean)}{words}"
    low, high = stats.ci95
    mean = plus_minus(stats.mean, (high - low) / 2)
    return f"mean {mean}{words}: spread over {stats.n} cycles, 95 %"


def validity_rows(validity: Validity) -> Iterator[Row]:
    """The verdict, then each reason in words with its code; what only informs comes last."""
    yield "Verdict", VERDICTS[validity.status][0]
    notes = [reason for reason in validity.reasons if severity(reason.code) is Severity.NOTE]
    for reason in validity.reasons:
        if reason not in notes:
            yield "", f"- {reason.detail} [{reason.code}]"
    for reason in notes:
        yield "", f"- note: {reason.detail} [{reason.code}]"
    if validity.reasons:
        yield "", "lem explain CODE says more"


def explain_validity(rows: Iterable[Row], width: int, verdict_style: str) -> Iterator[Text]:
    """Rows as lines: labels in a column, values wrapped beside them."""
    for label, value in rows:
        styles = {"Verdict": f"bold {verdict_style}", "Energy": "bold", "Energy per cycle": "bold"}
        for index, part in enumerate(wrap_line(printable(value), width - _LABEL_WIDTH)):
            head = label if index == 0 else ""
            line = Text(f"{head:<{_LABEL_WIDTH}}", style="dim")
            yield line.append(part, style=f"not dim {styles.get(label, '')}".strip())


def print_cycles(to: Console, result: AggregatedResult) -> None:
    """A table of the cycles."""
    words = origin(result.metrics.energy)
    kind = f" ({words})" if words else ""
    columns = [
        Column("cycle", numeric=True),
        Column("time s", numeric=True, keep=3),
        Column("output tokens", numeric=True, keep=2),
        Column("output tokens/s", numeric=True, keep=8),
        Column(f"energy J{kind}", numeric=True, keep=9),
        Column(f"J/output token{kind}", numeric=True, keep=5),
        Column("latency ms (mean)", numeric=True, keep=1),
        Column("verdict", keep=6),
    ]
    rows = [
        [
            count(cycle.cycle),
            significant(cycle.duration_s),
            count(cycle.output_tokens),
            significant(cycle.output_tokens_per_s),
            significant(cycle.total_j),
            significant(cycle.j_per_output_token),
            significant(cycle.e2e_ms_mean),
            str(cycle.validity.status),
        ]
        for cycle in result.cycles.values
    ]
    print_table(to, columns, rows)
