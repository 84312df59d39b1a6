"""Whatever is in the file, the loader answers with a config or with a ConfigurationError."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from llenergymeasure.config.loader import load
from llenergymeasure.config.models import config_model
from llenergymeasure.config.resolve import merge
from llenergymeasure.config.sources.yaml_file import parse_document
from llenergymeasure.exceptions import ConfigurationError

KEYS = [*config_model("pytorch").model_fields, "temperature", "batch_size", "path", "type", "x"]

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["auto", "echo", "pytorch", "replay", "file", "cpu"])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=8,
)
configs = st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=6), values, max_size=8)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("config") / "config.yaml"


def dump(data: object, path: Path) -> None:
    with path.open("w", encoding="utf-8", errors="surrogatepass") as stream:
        YAML(typ="safe", pure=True).dump(data, stream)


def must_load_or_explain(path: Path) -> None:
    try:
        load(path)
    except ConfigurationError as error:
        assert str(error).strip()


@settings(max_examples=150)
@given(data=configs)
def test_mangled_mappings(file: Path, data: dict[str, object]) -> None:
    dump({"config_name": "a", "model_name": "m", **data}, file)
    must_load_or_explain(file)


@settings(max_examples=150)
@given(
    raw=st.binary(max_size=200)
    | st.text(alphabet="ab:{}[]&*!|>-#'\"\n\t %@`,?<", max_size=60).map(str.encode)
)
def test_mangled_bytes(file: Path, raw: bytes) -> None:
    file.write_bytes(raw)
    must_load_or_explain(file)


@given(a=configs, b=configs)
def test_what_is_merged_on_top_wins(a: dict[str, object], b: dict[str, object]) -> None:
    merged = merge(a, b)
    assert set(merged) == set(a) | set(b)
    assert repr(merge(merged, b)) == repr(merged)


@given(a=configs)
def test_merging_nothing_changes_nothing(a: dict[str, object]) -> None:
    assert repr(merge(a, {})) == repr(dict(a)) == repr(merge({}, a))


def test_every_key_of_a_document_has_a_line() -> None:
    document = parse_document("a:\n  b: [1, {c: 2}]\nd: 3\n", "f")
    lines = {path: place.line for path, place in document.places.items()}
    assert lines == {
        ("a",): 1,
        ("a", "b"): 2,
        ("a", "b", 0): 2,
        ("a", "b", 1): 2,
        ("a", "b", 1, "c"): 2,
        ("d",): 3,
    }
