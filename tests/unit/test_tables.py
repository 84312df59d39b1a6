"""Tables come back as they were written, and no thread is left that could outlive its use."""

from __future__ import annotations

import subprocess
import sys

import pytest

from llenergymeasure.tables import arrow, read_parquet, write_csv, write_parquet

COUNT = """
import os
from llenergymeasure import tables

pa = tables.arrow()
tables.preload()
import numpy, pyarrow.csv
before = os.listdir("/proc/self/task")
table = pa.table({"n": list(range(100_000)), "word": ["x"] * 100_000})
{act}
after = os.listdir("/proc/self/task")
assert table.num_rows == 100_000
print(len(after) - len(before))
"""
ACTS = {
    "write and read": "table = tables.read_parquet(tables.write_parquet([table]))",
    "several": "table = tables.read_parquet(tables.write_parquet([table.slice(0, 50_000), "
    "table.slice(50_000)], compression='zstd', dictionary=['word'], encoding={'n': 'PLAIN'}))",
    "csv": "tables.write_csv(table, quoting='needed')",
    "rows": "table = pa.Table.from_pylist(table.to_pylist())",
}


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_no_pool_of_threads_is_started(act: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COUNT.replace("{act}", act)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "0"), done.stderr


def test_tables_come_back_as_they_were_written() -> None:
    pa = arrow()
    one = pa.table({"n": [1, None], "word": ["a", "b"]})
    two = pa.table({"n": [3, 4], "word": ["c", None]})
    schema = one.schema.with_metadata({"version": "7"})
    read = read_parquet(write_parquet((t.cast(schema) for t in (one, two)), schema))
    assert read.to_pylist() == pa.concat_tables([one, two]).to_pylist()
    assert read.schema.metadata == {b"version": b"7"}
    assert write_csv(one, quoting="none") == b"1,a\n,b\n"


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(200) + b"PAR1", b"x" * 400])
def test_what_is_damaged_is_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_parquet(content)


def test_every_torn_file_is_a_value_error_or_whole() -> None:
    content = write_parquet([arrow().table({"n": list(range(50))})])
    for end in range(0, len(content), 7):
        with pytest.raises(ValueError, match=r"."):
            read_parquet(content[:end])
