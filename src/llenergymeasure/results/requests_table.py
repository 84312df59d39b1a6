"""Per-request records as Parquet: one row a request, readable by any dataframe library."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llenergymeasure.constants import RESULT_SCHEMA_VERSION
from llenergymeasure.domain.trace import RequestTrace
from llenergymeasure.durable import check_version, read_stored, write_bytes
from llenergymeasure.exceptions import SchemaVersionError, StorageError
from llenergymeasure.tables import arrow, read_parquet, write_parquet

_VERSION_KEY = b"schema_version"


def _schema() -> Any:
    pa = arrow()
    return pa.schema(
        [
            ("request_id", pa.int64()),
            ("cycle", pa.int32()),
            ("process_index", pa.int32()),
            ("prompt_tokens", pa.int64()),
            ("truncated_prompt_tokens", pa.int64()),
            ("output_tokens", pa.int64()),
            ("dispatch_ns", pa.int64()),
            ("return_ns", pa.int64()),
            ("e2e_ms", pa.float64()),
            ("ttft_ms", pa.float64()),
            ("finish_reason", pa.string()),
            ("error", pa.string()),
            ("tokenization_ns", pa.int64()),
            ("output_token_ids", pa.list_(pa.int32())),
            ("token_times_ns", pa.list_(pa.int64())),
        ],
        metadata={_VERSION_KEY: str(RESULT_SCHEMA_VERSION).encode()},
    )


def write_requests(
    path: Path, traces: Sequence[RequestTrace], *, cycle: int, process_index: int
) -> None:
    """Write the requests of one process and cycle.

    Raises:
        StorageError: The file cannot be written.
    """
    rows = [_row(trace, cycle, process_index) for trace in traces]
    write_bytes(path, write_parquet([arrow().Table.from_pylist(rows, schema=_schema())]))


def read_requests(path: Path) -> list[RequestTrace]:
    """Read what ``write_requests`` wrote.

    Raises:
        StorageError: The file is missing or damaged.
        SchemaVersionError: A newer version wrote it.
    """
    try:
        table = read_parquet(read_stored(path))
        found = int((table.schema.metadata or {}).get(_VERSION_KEY, b""))
    except (OSError, ValueError) as error:
        raise StorageError(
            f"cannot read {path}: {error}", hint="restore it from a copy, or measure again"
        ) from error
    check_version(found, path, version=RESULT_SCHEMA_VERSION)
    if found < RESULT_SCHEMA_VERSION:
        raise SchemaVersionError(
            f"{path} has schema version {found}; this one reads {RESULT_SCHEMA_VERSION}",
            hint="read it with the older llenergymeasure that wrote it, or measure again",
        )
    return [_trace(row) for row in table.to_pylist()]


def _row(trace: RequestTrace, cycle: int, process_index: int) -> dict[str, Any]:
    times = trace.token_times_ns
    answered = not trace.failed
    # As in domain.metrics: to the last token where tokens were seen, else to the return.
    last = times[-1] if times else trace.return_ns
    return {
        "request_id": trace.request_id,
        "cycle": cycle,
        "process_index": process_index,
        "prompt_tokens": trace.prompt_tokens,
        "truncated_prompt_tokens": trace.truncated_prompt_tokens,
        "output_tokens": len(trace.output_token_ids),
        "dispatch_ns": trace.dispatch_ns,
        "return_ns": trace.return_ns,
        "e2e_ms": (last - trace.dispatch_ns) / 1e6 if answered else None,
        "ttft_ms": (times[0] - trace.dispatch_ns) / 1e6 if times and answered else None,
        "finish_reason": trace.finish_reason,
        "error": trace.error,
        "tokenization_ns": trace.tokenization_ns,
        "output_token_ids": list(trace.output_token_ids),
        "token_times_ns": None if times is None else list(times),
    }


def _trace(row: dict[str, Any]) -> RequestTrace:
    times = row["token_times_ns"]
    return RequestTrace(
        request_id=row["request_id"],
        prompt_tokens=row["prompt_tokens"],
        output_token_ids=tuple(row["output_token_ids"]),
        dispatch_ns=row["dispatch_ns"],
        return_ns=row["return_ns"],
        token_times_ns=None if times is None else tuple(times),
        truncated_prompt_tokens=row["truncated_prompt_tokens"],
        finish_reason=row["finish_reason"],
        error=row["error"],
        # Files of older versions have no such column.
        tokenization_ns=row.get("tokenization_ns"),
    )
