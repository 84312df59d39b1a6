"""The files themselves: layout, markers, damage, other versions, other people's files."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llenergymeasure import durable
from llenergymeasure.constants import RESULT_SCHEMA_VERSION
from llenergymeasure.exceptions import ConfigurationError, SchemaVersionError, StorageError
from llenergymeasure.results import markers, repository, requests_table
from llenergymeasure.results.repository import FileSystemRepository

_SPEC = importlib.util.spec_from_file_location(
    "records", Path(__file__).parents[1] / "unit" / "results" / "records.py"
)
assert _SPEC is not None
assert _SPEC.loader is not None
records = sys.modules.setdefault("records", importlib.util.module_from_spec(_SPEC))
if not hasattr(records, "raw"):
    _SPEC.loader.exec_module(records)

EXPERIMENT = records.EXPERIMENT
raw, trace = records.raw, records.trace
NEWER = RESULT_SCHEMA_VERSION + 1


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "key=value" / "results"


@pytest.fixture
def store(base: Path) -> FileSystemRepository:
    return FileSystemRepository(base)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def edit(path: Path, **fields: Any) -> None:
    """Change a result as another version would have written it: with a marker that fits."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
    vouch(path.parent, sha256=sha256(path))


def vouch(folder: Path, **fields: Any) -> None:
    marker = folder / ".completed_0"
    marker.write_text(json.dumps({**json.loads(marker.read_text()), **fields}))


def test_one_cycle_lies_in_the_experiments_folder(store: FileSystemRepository, base: Path) -> None:
    store.save_raw(raw(), [trace()], cycles_planned=1)
    folder = base / "raw" / EXPERIMENT
    assert store.raw_dir(EXPERIMENT) == folder
    assert sorted(path.name for path in folder.iterdir()) == [
        ".completed_0",
        "process_0.json",
        "requests_0.parquet",
    ]
    assert store.load_raw(EXPERIMENT)[0].requests_file == f"{EXPERIMENT}/requests_0.parquet"


def test_several_cycles_lie_in_folders_of_their_own(
    store: FileSystemRepository, base: Path
) -> None:
    store.save_raw(raw(1, 1, of=2), [], cycles_planned=2)
    store.save_raw(raw(2), [], cycles_planned=2)
    folder = base / "raw" / EXPERIMENT
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert files == [
        "cycle_1/.completed_1",
        "cycle_1/process_1.json",
        "cycle_1/requests_1.parquet",
        "cycle_2/.completed_0",
        "cycle_2/process_0.json",
        "cycle_2/requests_0.parquet",
    ]


def test_the_marker_vouches_for_both_files(store: FileSystemRepository) -> None:
    store.save_raw(raw(), [trace()], cycles_planned=1)
    folder = store.raw_dir(EXPERIMENT)
    marker = json.loads((folder / ".completed_0").read_text())
    assert marker["schema_version"] == RESULT_SCHEMA_VERSION
    assert (marker["process_index"], marker["cycle"]) == (0, 1)
    assert marker["sha256"] == sha256(folder / "process_0.json")
    assert marker["requests_sha256"] == sha256(folder / "requests_0.parquet")
    assert marker["created_at"]


def test_the_marker_is_written_last(
    store: FileSystemRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    def noting(write: Callable[..., None]) -> Callable[..., None]:
        def note(path: Path, data: Any) -> None:
            order.append(path.name)
            write(path, data)

        return note

    monkeypatch.setattr(requests_table, "write_bytes", noting(durable.write_bytes))
    monkeypatch.setattr(repository, "write_bytes", noting(durable.write_bytes))
    monkeypatch.setattr(markers, "write_text", noting(durable.write_text))
    store.save_raw(raw(), [], cycles_planned=1)
    assert order == ["requests_0.parquet", "process_0.json", ".completed_0"]


@pytest.mark.parametrize("broken_at", ["requests_0.parquet", "process_0.json", ".completed_0"])
def test_a_save_that_is_cut_short_counts_for_nothing_and_can_be_repeated(
    store: FileSystemRepository, monkeypatch: pytest.MonkeyPatch, broken_at: str
) -> None:
    replace = Path.replace

    def die(self: Path, target: Path) -> Path:
        if target.name == broken_at:
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", die)
    with pytest.raises(StorageError, match="No space left"):
        store.save_raw(raw(), [trace(1)], cycles_planned=1)
    monkeypatch.undo()
    assert store.load_raw(EXPERIMENT) == []
    assert store.completed_cycles(EXPERIMENT) == set()
    store.save_raw(raw(), [trace(2)], cycles_planned=1)
    assert store.load_traces(store.load_raw(EXPERIMENT)[0]) == [trace(2)]


@pytest.mark.parametrize("name", ["process_0.json", "requests_0.parquet", ".completed_0"])
@pytest.mark.parametrize("damage", ["torn", "edited", "gone", "empty"])
def test_a_damaged_cycle_is_not_complete_and_is_redone(
    store: FileSystemRepository, name: str, damage: str
) -> None:
    for cycle in (1, 2):
        store.save_raw(raw(cycle), [trace()], cycles_planned=2)
    path = store.raw_dir(EXPERIMENT) / "cycle_2" / name
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage == "edited":
        path.write_bytes(content.replace(b"2", b"3"))
    else:
        path.write_bytes(b"" if damage == "empty" else content[:-20])
    assert store.completed_cycles(EXPERIMENT) == {1}
    assert [result.cycle for result in store.load_raw(EXPERIMENT)] == [1]
    store.save_raw(raw(2), [trace(7)], cycles_planned=2)
    assert store.completed_cycles(EXPERIMENT) == {1, 2}
    assert store.load_traces(store.load_raw(EXPERIMENT)[1]) == [trace(7)]


def test_strange_files_are_never_taken_for_results(store: FileSystemRepository) -> None:
    store.save_raw(raw(), [trace()], cycles_planned=1)
    folder = store.raw_dir(EXPERIMENT)
    content = (folder / "process_0.json").read_bytes()
    marker = (folder / ".completed_0").read_bytes()
    for name in (
        "process_0_timeseries.json",
        "process_0.json~",
        "process_1.json",
        "process_01.json",
        ".process_0.json.swp",
        "context_1.json",
        "cycle_x/process_0.json",
        "cycle_01/process_0.json",
        "logs/process_0.json",
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    for name in (".completed_0~", ".completed_01", ".completed_x", ".completed_", ".completed_7"):
        (folder / name).write_bytes(marker)
    (folder / "cycle_x" / ".completed_0").write_bytes(marker)
    (folder / "cycle_3").touch()
    assert [(r.cycle, r.process_index) for r in store.load_raw(EXPERIMENT)] == [(1, 0)]


def test_discarding_leaves_other_files(store: FileSystemRepository) -> None:
    store.save_raw(raw(), [], cycles_planned=1)
    folder = store.raw_dir(EXPERIMENT)
    keep = ["context_1.json", "events_1.jsonl", "process_0_timeseries.json"]
    for name in keep:
        (folder / name).touch()
    (folder / "process_3.json").touch()
    store.discard_cycle(EXPERIMENT, 1)
    assert sorted(path.name for path in folder.iterdir()) == keep


def test_another_experiments_result_is_not_counted_here(
    store: FileSystemRepository, base: Path
) -> None:
    store.save_raw(raw(), [], cycles_planned=1)
    (base / "raw" / EXPERIMENT).rename(base / "raw" / "other")
    with pytest.raises(StorageError, match="belongs elsewhere"):
        store.load_raw("other")


def test_a_cycle_in_two_places_is_refused(store: FileSystemRepository) -> None:
    store.save_raw(raw(1), [], cycles_planned=1)
    store.save_raw(raw(1), [], cycles_planned=2)
    with pytest.raises(StorageError, match="second result of cycle 1, process 0"):
        store.load_raw(EXPERIMENT)


def test_a_raw_result_of_a_newer_version_is_refused(store: FileSystemRepository) -> None:
    store.save_raw(raw(), [], cycles_planned=1)
    edit(store.raw_dir(EXPERIMENT) / "process_0.json", schema_version=NEWER)
    with pytest.raises(SchemaVersionError, match=r"process_0\.json .* newer"):
        store.load_raw(EXPERIMENT)


def test_a_marker_of_a_newer_version_is_refused(store: FileSystemRepository) -> None:
    store.save_raw(raw(), [], cycles_planned=1)
    vouch(store.raw_dir(EXPERIMENT), schema_version=NEWER)
    with pytest.raises(SchemaVersionError, match=r"completed_0 .* newer"):
        store.completed_cycles(EXPERIMENT)


def test_requests_of_a_newer_version_are_refused(store: FileSystemRepository) -> None:
    store.save_raw(raw(), [trace()], cycles_planned=1)
    path = store.raw_dir(EXPERIMENT) / "requests_0.parquet"
    table = pq.read_table(pa.BufferReader(path.read_bytes()))
    for version, word in ((str(NEWER), "newer"), ("0", "older")):
        pq.write_table(table.replace_schema_metadata({"schema_version": version}), path)
        vouch(path.parent, requests_sha256=sha256(path))
        with pytest.raises(SchemaVersionError) as caught:
            store.load_traces(store.load_raw(EXPERIMENT)[0])
        assert word in f"{caught.value} {caught.value.hint}"
    pq.write_table(table.replace_schema_metadata({}), path)
    vouch(path.parent, requests_sha256=sha256(path))
    with pytest.raises(StorageError, match="cannot read"):
        store.load_traces(store.load_raw(EXPERIMENT)[0])


def test_an_older_raw_result_is_migrated(
    store: FileSystemRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save_raw(raw(), [], cycles_planned=1)
    path = store.raw_dir(EXPERIMENT) / "process_0.json"
    data = json.loads(path.read_text())
    data["name_of_config"] = data.pop("config_name")
    path.write_text(json.dumps(data))
    edit(path, schema_version=RESULT_SCHEMA_VERSION - 1)
    with pytest.raises(SchemaVersionError, match="no way from"):
        store.load_raw(EXPERIMENT)
    renamed = {
        RESULT_SCHEMA_VERSION - 1: lambda old: {
            **{key: value for key, value in old.items() if key != "name_of_config"},
            "config_name": old["name_of_config"],
        }
    }
    monkeypatch.setattr(repository, "RAW_MIGRATIONS", renamed)
    (result,) = store.load_raw(EXPERIMENT)
    assert (result.config_name, result.schema_version) == ("test", RESULT_SCHEMA_VERSION)


def test_a_vouched_file_with_another_content_is_named(store: FileSystemRepository) -> None:
    store.save_raw(raw(), [], cycles_planned=1)
    edit(store.raw_dir(EXPERIMENT) / "process_0.json", process_count="many")
    with pytest.raises(StorageError, match=r"process_0\.json does not hold .*process_count"):
        store.load_raw(EXPERIMENT)


@pytest.mark.parametrize("joules", [-5.0, math.nan, math.inf])
def test_a_vouched_file_with_a_number_that_cannot_be_is_named(
    store: FileSystemRepository, joules: float
) -> None:
    store.save_raw(raw(), [], cycles_planned=1)
    path = store.raw_dir(EXPERIMENT) / "process_0.json"
    energy = json.loads(path.read_bytes())["energy"]
    energy["domains"][0]["joules"] = joules
    edit(path, energy=energy)
    with pytest.raises(StorageError, match=r"process_0\.json.*: energy\.domains\.0\.joules: "):
        store.load_raw(EXPERIMENT)


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (b"{", StorageError, "damaged"),
        (b"\xff", StorageError, "damaged"),
        (b"{}", StorageError, "no schema_version"),
        (json.dumps({"schema_version": NEWER}).encode(), SchemaVersionError, "newer"),
        (json.dumps({"schema_version": 0}).encode(), SchemaVersionError, "no way from"),
        (
            json.dumps({"schema_version": RESULT_SCHEMA_VERSION}).encode(),
            StorageError,
            "does not hold",
        ),
    ],
)
def test_an_aggregate_that_cannot_be_read_is_named(
    store: FileSystemRepository, base: Path, content: bytes, error: type[Exception], words: str
) -> None:
    path = base / "aggregated" / f"{EXPERIMENT}.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(error, match=words) as caught:
        store.load_aggregated(EXPERIMENT)
    assert str(path) in str(caught.value)
    assert store.aggregated_ids() == [EXPERIMENT]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_not_taken_for_unfinished(
    store: FileSystemRepository,
) -> None:
    store.save_raw(raw(), [], cycles_planned=1)
    (store.raw_dir(EXPERIMENT) / "process_0.json").chmod(0)
    with pytest.raises(StorageError, match="cannot read"):
        store.completed_cycles(EXPERIMENT)


def test_a_folder_in_a_files_place_is_a_storage_error(store: FileSystemRepository) -> None:
    store.save_raw(raw(), [], cycles_planned=1)
    path = store.raw_dir(EXPERIMENT) / "process_0.json"
    path.unlink()
    path.mkdir()
    with pytest.raises(StorageError, match="cannot read"):
        store.completed_cycles(EXPERIMENT)


def test_a_requests_file_outside_is_not_read(store: FileSystemRepository) -> None:
    with pytest.raises(ConfigurationError, match="leads out"):
        store.load_traces(raw(requests_file="../../x.parquet"))


def test_requests_of_older_versions_have_no_time_of_tokenising(store: FileSystemRepository) -> None:
    store.save_raw(raw(), [trace(0, tokenization_ns=5)], cycles_planned=1)
    path = store.raw_dir(EXPERIMENT) / "requests_0.parquet"
    table = pq.read_table(pa.BufferReader(path.read_bytes())).drop_columns(["tokenization_ns"])
    pq.write_table(table, path)
    assert requests_table.read_requests(path) == [trace(0)]


def test_the_parquet_file_can_be_read_by_anything(store: FileSystemRepository) -> None:
    seen = trace(1, token_times_ns=(1_500_000, 2_500_000, 3_250_000), output_token_ids=(4, 5, 6))
    store.save_raw(raw(3, 1, of=2), [seen, trace(0), trace(2, failed=True)], cycles_planned=3)
    path = store.raw_dir(EXPERIMENT) / "cycle_3" / "requests_1.parquet"
    table = pq.read_table(pa.BufferReader(path.read_bytes()))
    assert table.schema.metadata[b"schema_version"] == str(RESULT_SCHEMA_VERSION).encode()
    assert table.schema.field("token_times_ns").type == pa.list_(pa.int64())
    assert table.schema.field("output_token_ids").type == pa.list_(pa.int32())
    assert table.to_pylist() == [
        {
            "request_id": 1,
            "cycle": 3,
            "process_index": 1,
            "prompt_tokens": 6,
            "truncated_prompt_tokens": 0,
            "output_tokens": 3,
            "dispatch_ns": 1_000_000,
            "return_ns": 3_000_000,
            "e2e_ms": 2.25,
            "ttft_ms": 0.5,
            "finish_reason": "length",
            "error": None,
            "tokenization_ns": None,
            "output_token_ids": [4, 5, 6],
            "token_times_ns": [1_500_000, 2_500_000, 3_250_000],
        },
        {
            "request_id": 0,
            "cycle": 3,
            "process_index": 1,
            "prompt_tokens": 5,
            "truncated_prompt_tokens": 0,
            "output_tokens": 3,
            "dispatch_ns": 0,
            "return_ns": 2_000_000,
            "e2e_ms": 2.0,
            "ttft_ms": None,
            "finish_reason": "length",
            "error": None,
            "tokenization_ns": None,
            "output_token_ids": [0, 1, 2],
            "token_times_ns": None,
        },
        {
            "request_id": 2,
            "cycle": 3,
            "process_index": 1,
            "prompt_tokens": 7,
            "truncated_prompt_tokens": 0,
            "output_tokens": 0,
            "dispatch_ns": 2_000_000,
            "return_ns": 4_000_000,
            "e2e_ms": None,
            "ttft_ms": None,
            "finish_reason": None,
            "error": "it broke",
            "tokenization_ns": None,
            "output_token_ids": [],
            "token_times_ns": None,
        },
    ]
