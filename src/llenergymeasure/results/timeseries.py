"""What an energy source sampled, as Parquet in long form: one row a sample, any tool reads it.

    t_s | t_monotonic_ns | device | quantity | value

``t_s`` counts from the start of the measured window, so that cycles can be laid over each other.
Rows stand series by series, each in the order of time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from llenergymeasure.constants import RESULT_SCHEMA_VERSION
from llenergymeasure.domain.experiment import RawProcessResult
from llenergymeasure.domain.samples import SampleSeries
from llenergymeasure.durable import check_version, write_bytes
from llenergymeasure.exceptions import SchemaVersionError, StorageError
from llenergymeasure.tables import arrow, read_parquet, write_parquet

logger = logging.getLogger(__name__)

COLUMNS = ("t_s", "t_monotonic_ns", "device", "quantity", "value")
_VERSION_KEY = "schema_version"
_BATCH_ROWS = 1_000_000


def write_series(path: Path, series: Sequence[SampleSeries], result: RawProcessResult) -> bool:
    """Write the samples of one process and cycle; returns False if there are none to write.

    Raises:
        StorageError: The file cannot be written.
    """
    kept = finite_series(series)
    if not kept:
        return False
    # Times differ by the interval and values repeat: this takes a third of the default's space.
    content = write_parquet(
        (_table(batch, result) for batch in _batches(kept)),
        _schema(result),
        compression="zstd",
        dictionary=["device", "quantity", "value"],
        encoding={"t_s": "BYTE_STREAM_SPLIT", "t_monotonic_ns": "DELTA_BINARY_PACKED"},
    )
    write_bytes(path, content)
    return True


def parse_series(content: bytes, path: Path) -> list[SampleSeries]:
    """What ``write_series`` wrote; ``path`` is named in errors.

    Raises:
        StorageError: The content is damaged.
        SchemaVersionError: Another version wrote it.
    """
    try:
        table = read_parquet(content)
        found = int((table.schema.metadata or {}).get(_VERSION_KEY.encode(), b""))
        check_version(found, path, version=RESULT_SCHEMA_VERSION)
        if found < RESULT_SCHEMA_VERSION:
            raise SchemaVersionError(
                f"{path} has schema version {found}; this one reads {RESULT_SCHEMA_VERSION}",
                hint="read it with the older llenergymeasure that wrote it",
            )
        return list(_series_of(table))
    except (ValueError, KeyError) as error:
        raise StorageError(f"cannot read {path}: {error}", hint="restore it from a copy") from error


def finite_series(series: Sequence[SampleSeries]) -> tuple[SampleSeries, ...]:
    """The series as arrays, without values that are no numbers, and those that hold something."""
    return tuple(kept for one in series if (kept := _finite(one)) is not None)


def _finite(series: SampleSeries) -> SampleSeries | None:
    import numpy as np

    try:
        times_ns = np.asarray(series.times_ns, dtype=np.int64)
        values = np.asarray(series.values, dtype=np.float64)
        finite = np.isfinite(values)
        times_ns, values = times_ns[finite], values[finite]
    except (TypeError, ValueError, IndexError, OverflowError) as error:
        # A plug-in's mistake is not worth the loss of a measurement that is finished.
        logger.warning("%s of %s is not saved: %s", series.quantity, series.device, error)
        return None
    return _of_arrays(series.device, series.quantity, times_ns, values) if len(values) else None


def _of_arrays(device: str, quantity: str, times_ns: Any, values: Any) -> SampleSeries:
    # Arrays are sequences in all that matters here, and hold a day in little memory.
    return SampleSeries(device, quantity, times_ns, values)


def _batches(series: Sequence[SampleSeries]) -> Iterator[list[SampleSeries]]:
    """Series together up to so many rows, so that hours of eight GPUs are not laid out twice."""
    batch: list[SampleSeries] = []
    for one in series:
        batch.append(one)
        if sum(len(each.values) for each in batch) >= _BATCH_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


def _schema(result: RawProcessResult) -> Any:
    pa = arrow()
    return pa.schema(
        [
            ("t_s", pa.float64()),
            ("t_monotonic_ns", pa.int64()),
            ("device", pa.dictionary(pa.int32(), pa.string())),
            ("quantity", pa.dictionary(pa.int32(), pa.string())),
            ("value", pa.float64()),
        ],
        metadata=_metadata(result),
    )


def _table(series: Sequence[SampleSeries], result: RawProcessResult) -> Any:
    import numpy as np

    pa = arrow()
    lengths = [len(one.values) for one in series]
    times_ns = np.concatenate([np.asarray(one.times_ns) for one in series])
    columns = [
        pa.array((times_ns - result.window.start_monotonic_ns) / 1e9),
        pa.array(times_ns),
        _repeat([one.device for one in series], lengths),
        _repeat([one.quantity for one in series], lengths),
        pa.array(np.concatenate([np.asarray(one.values) for one in series])),
    ]
    return pa.Table.from_arrays(columns, schema=_schema(result))


def _repeat(words: Sequence[str], lengths: Sequence[int]) -> Any:
    import numpy as np

    pa = arrow()
    known = list(dict.fromkeys(words))
    codes = np.repeat(np.array([known.index(word) for word in words], dtype=np.int32), lengths)
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(known, pa.string()))


def _metadata(result: RawProcessResult) -> dict[str, str]:
    """What makes the file speak for itself, without the result beside it."""
    return {
        _VERSION_KEY: str(RESULT_SCHEMA_VERSION),
        "experiment_id": result.experiment_id,
        "cycle": str(result.cycle),
        "process_index": str(result.process_index),
        "hostname": result.environment.hostname,
        "energy_backend": result.energy.backend,
        "replayed": str(result.energy.replayed).lower(),
        "start_utc": result.window.start_utc.isoformat(),
        "start_monotonic_ns": str(result.window.start_monotonic_ns),
    }


def _series_of(table: Any) -> Iterator[SampleSeries]:
    """The series of a table, in the order in which they first appear."""
    import numpy as np

    columns = {name: table.column(name).combine_chunks() for name in COLUMNS}
    devices, quantities = columns["device"], columns["quantity"]
    pairs = np.stack([np.asarray(devices.indices), np.asarray(quantities.indices)])
    changes = np.flatnonzero(np.any(np.diff(pairs, axis=1) != 0, axis=0)) + 1
    times_ns, values = np.asarray(columns["t_monotonic_ns"]), np.asarray(columns["value"])
    bounds = [0, *changes.tolist(), len(values)] if len(values) else []
    for begin, end in pairwise(bounds):
        device, quantity = devices[begin].as_py(), quantities[begin].as_py()
        yield _of_arrays(device, quantity, times_ns[begin:end], values[begin:end])
