from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from records import EXPERIMENT, START, raw

from llenergymeasure.domain.samples import SampleSeries
from llenergymeasure.exceptions import ConfigurationError, SchemaVersionError, StorageError
from llenergymeasure.results import timeseries
from llenergymeasure.results.repository import FileSystemRepository
from llenergymeasure.results.timeseries import parse_series

SERIES = [
    SampleSeries("gpu:0", "power_w", [1_500_000_000, 2_000_000_000], [100.0, 120.5]),
    SampleSeries("cpu:0", "power_w", [900_000_000], [30.0]),
]


@pytest.fixture
def store(tmp_path: Path) -> FileSystemRepository:
    store = FileSystemRepository(tmp_path)
    store.save_raw(raw(start_s=1.0), [], cycles_planned=1, series=SERIES)
    return store


def file_of(store: FileSystemRepository) -> Path:
    return store.raw_dir(EXPERIMENT) / "timeseries_0.parquet"


def test_the_file_speaks_for_itself(store: FileSystemRepository) -> None:
    table = pq.read_table(io.BytesIO(file_of(store).read_bytes()))
    assert table.to_pylist() == [
        {"t_s": t_s, "t_monotonic_ns": ns, "device": device, "quantity": "power_w", "value": value}
        for t_s, ns, device, value in [
            (0.5, 1_500_000_000, "gpu:0", 100.0),
            (1.0, 2_000_000_000, "gpu:0", 120.5),
            (-0.1, 900_000_000, "cpu:0", 30.0),
        ]
    ]
    assert [str(field.type) for field in table.schema] == [
        "double",
        "int64",
        "dictionary<values=string, indices=int32, ordered=0>",
        "dictionary<values=string, indices=int32, ordered=0>",
        "double",
    ]
    metadata = {k.decode(): v.decode() for k, v in table.schema.metadata.items()}
    assert metadata["experiment_id"] == EXPERIMENT
    assert (metadata["cycle"], metadata["process_index"]) == ("1", "0")
    assert metadata["start_utc"].startswith(START.date().isoformat())
    assert metadata["start_monotonic_ns"] == "1000000000"
    assert (metadata["energy_backend"], metadata["replayed"]) == ("counter", "false")


def test_a_result_is_whole_without_its_samples_but_they_are_missed(
    store: FileSystemRepository,
) -> None:
    file_of(store).unlink()
    (loaded,) = store.load_raw(EXPERIMENT)
    with pytest.raises(StorageError, match="not there any more"):
        store.load_series(loaded)


def test_samples_that_were_changed_are_refused(store: FileSystemRepository) -> None:
    other = FileSystemRepository(store.raw_dir("x").parents[1] / "other")
    other.save_raw(raw(), [], cycles_planned=1, series=SERIES[:1])
    file_of(store).write_bytes(file_of(other).read_bytes())
    (loaded,) = store.load_raw(EXPERIMENT)
    with pytest.raises(StorageError, match="not what was saved"):
        store.load_series(loaded)


def test_a_file_that_leads_elsewhere_is_refused(store: FileSystemRepository) -> None:
    (loaded,) = store.load_raw(EXPERIMENT)
    away = loaded.model_copy(update={"timeseries_file": "../../etc/passwd"})
    with pytest.raises(ConfigurationError, match="leads out of"):
        store.load_series(away)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"\x00" * 100])
def test_damaged_content_is_told(content: bytes) -> None:
    with pytest.raises(StorageError, match=r"cannot read x\.parquet"):
        parse_series(content, Path("x.parquet"))


def test_other_versions_are_told(
    store: FileSystemRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, version = file_of(store).read_bytes(), timeseries.RESULT_SCHEMA_VERSION
    for ours, expected in [(version - 1, "newer"), (version + 1, "older")]:
        monkeypatch.setattr(timeseries, "RESULT_SCHEMA_VERSION", ours)
        with pytest.raises(SchemaVersionError, match="schema version") as caught:
            parse_series(content, Path("x.parquet"))
        assert expected in f"{caught.value.message} {caught.value.hint}"


def test_a_foreign_table_is_told() -> None:
    buffer = io.BytesIO()
    table = pa.table({"t_s": [1.0]}).replace_schema_metadata({"schema_version": "1"})
    pq.write_table(table, buffer)
    with pytest.raises(StorageError, match="cannot read"):
        parse_series(buffer.getvalue(), Path("x.parquet"))


def test_series_of_many_batches_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeseries, "_BATCH_ROWS", 3)
    many = [
        SampleSeries(f"gpu:{i}", name, [1, 2], [float(i), 0.5])
        for i in range(4)
        for name in ("power_w", "energy_j")
    ]
    store = FileSystemRepository(tmp_path)
    store.save_raw(raw(), [], cycles_planned=1, series=many)
    loaded = store.load_series(store.load_raw(EXPERIMENT)[0])
    assert [(s.device, s.quantity, list(s.times_ns), list(s.values)) for s in loaded] == [
        (s.device, s.quantity, s.times_ns, s.values) for s in many
    ]
    assert pq.ParquetFile(file_of(store)).num_row_groups == 4


def test_tables_of_many_chunks_are_read_as_one(store: FileSystemRepository) -> None:
    table = pq.read_table(io.BytesIO(file_of(store).read_bytes()))
    many = pa.concat_tables([table.slice(i, 1) for i in (2, 0, 1)])
    buffer = io.BytesIO()
    pq.write_table(many, buffer, row_group_size=1)
    found = parse_series(buffer.getvalue(), Path("x.parquet"))
    assert [(s.device, list(s.values)) for s in found] == [
        ("cpu:0", [30.0]),
        ("gpu:0", [100.0, 120.5]),
    ]
