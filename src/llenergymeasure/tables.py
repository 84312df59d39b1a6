"""Reading and writing tables with Arrow: the only module that imports it.

Arrow starts pools of threads when it reads in parallel. A process that ends while such a pool is
still starting dies in its own clean-up, after its answer was given (apache/arrow issue 34314).
Our tables are small, so nothing here starts a pool.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import Any


def arrow() -> Any:
    """The ``pyarrow`` module: types, arrays and tables. Files are read and written below."""
    import pyarrow

    return pyarrow


def preload() -> None:
    """Import what reading and writing need, while there is time for it."""
    import pyarrow.parquet  # noqa: F401


def read_parquet(content: bytes) -> Any:
    """The ``pyarrow.Table`` of a Parquet file's bytes.

    From bytes: given a path, Arrow makes columns of folders that are called "a=b".

    Raises:
        ValueError: The content is damaged.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(io.BytesIO(content), pre_buffer=False)
        return file.read(use_threads=False)
    except (OSError, pyarrow.ArrowException) as error:
        raise ValueError(str(error)) from error


def write_parquet(
    tables: Iterable[Any],
    schema: Any = None,
    *,
    compression: str = "snappy",
    dictionary: bool | list[str] = True,
    encoding: Mapping[str, str] | None = None,
) -> bytes:
    """One Parquet file of ``pyarrow`` tables, one below the other.

    Args:
        tables: One or more, of one schema.
        schema: That schema with its metadata; None is the first table's.
        compression: The codec.
        dictionary: Which columns are stored as a dictionary of values; True is all.
        encoding: The encoding of other columns.
    """
    import pyarrow.parquet

    several = iter(tables)
    first = next(several)
    buffer = io.BytesIO()
    with pyarrow.parquet.ParquetWriter(
        buffer,
        first.schema if schema is None else schema,
        compression=compression,
        use_dictionary=dictionary,
        column_encoding=None if encoding is None else dict(encoding),
    ) as writer:
        writer.write_table(first)
        for table in several:
            writer.write_table(table)
    return buffer.getvalue()


def write_csv(table: Any, *, quoting: str) -> bytes:
    """The rows of a table as CSV without a header; ``quoting`` is ``none`` or ``needed``."""
    import pyarrow.csv

    buffer = io.BytesIO()
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style=quoting)
    pyarrow.csv.write_csv(table, buffer, options)
    return buffer.getvalue()
