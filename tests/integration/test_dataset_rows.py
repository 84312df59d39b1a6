"""No row of a local dataset vanishes without being counted, whatever its folder holds."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from llenergymeasure.config.prompt_models import PromptsConfig
from llenergymeasure.core.prompts import load_prompts
from llenergymeasure.domain.experiment import PromptsInfo
from llenergymeasure.exceptions import PromptSourceError


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def load(path: Path, count: int | None = None, **section) -> tuple[list, PromptsInfo]:
    config = PromptsConfig(type="huggingface", dataset=str(path), **section)
    return load_prompts(config, count, base_dir=None)


def fill(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def parquet(path: Path, *texts: str | None) -> None:
    from datasets import Dataset

    Dataset.from_dict({"text": list(texts)}).to_parquet(path)


def left_out(info: PromptsInfo) -> dict[str, tuple[str, ...]]:
    return {files.reason: files.files for files in info.files_left_out}


def accounted(info: PromptsInfo) -> bool:
    return info.available == info.count + info.skipped + info.unused


class TestFolders:
    def test_files_of_several_kinds_are_all_read(self, tmp_path: Path) -> None:
        fill(
            tmp_path,
            {
                "a.csv": "text,n\none,1\n",
                "b.jsonl": '{"text": "two"}\n',
                "c.json": '[{"text": "three"}]',
                "deep/er/d.tsv": "n\ttext\n1\tfour\n",
                "g.csv.gz": gzip.compress(b"text\nsix\n"),
            },
        )
        parquet(tmp_path / "f.parquet", "seven")
        texts, info = load(tmp_path)
        assert sorted(texts) == sorted(["one", "two", "three", "four", "six", "seven"])
        assert (info.files_read, info.available, info.files_left_out) == (6, 6, ())

    def test_rows_stand_in_the_order_of_the_files(self, tmp_path: Path) -> None:
        fill(
            tmp_path,
            {
                "1.jsonl": '{"text": "a"}\n',
                "2.csv": "text\nb\n",
                "3.jsonl": '{"text": "c"}\n{"text": "d"}\n',
            },
        )
        assert load(tmp_path)[0] == ["a", "b", "c", "d"]
        shuffled, _ = load(tmp_path, shuffle=True)
        assert sorted(shuffled) == ["a", "b", "c", "d"]

    def test_files_without_a_column_in_common_are_refused_by_name(self, tmp_path: Path) -> None:
        fill(tmp_path, {"a.csv": "text\nx\n", "b.jsonl": '{"prompt": "y"}\n'})
        with pytest.raises(PromptSourceError, match=r"share no column: .*a\.csv.*b\.jsonl"):
            load(tmp_path)

    def test_every_file_that_is_not_read_is_counted_with_its_reason(self, tmp_path: Path) -> None:
        fill(
            tmp_path,
            {
                "train.csv": "text\nx\n",
                "test.csv": "text\ny\n",
                "extra.csv": "text\nz\n",
                ".hidden.csv": "text\nh\n",
                "README.md": "words",
                "notes.docx": "words",
                "train-empty.csv": "",
            },
        )
        (tmp_path / "gone.csv").symlink_to(tmp_path / "nowhere.csv")
        texts, info = load(tmp_path)
        assert (texts, info.files_read) == (["x"], 1)
        assert left_out(info) == {
            "of the split test": ("test.csv",),
            "of no split": ("extra.csv",),
            "hidden": (".hidden.csv",),
            "describes the dataset": ("README.md",),
            "no table": ("notes.docx",),
            "empty": ("train-empty.csv",),
            "a link that leads nowhere": ("gone.csv",),
        }

    def test_a_linked_folder_is_not_followed_and_counted(self, tmp_path: Path) -> None:
        fill(tmp_path, {"other/b.csv": "text\ny\n", "d/a.csv": "text\nx\n"})
        (tmp_path / "d" / "link").symlink_to(tmp_path / "other")
        texts, info = load(tmp_path / "d")
        assert texts == ["x"]
        assert left_out(info) == {"a link to a folder, which is not followed": ("link",)}

    def test_a_split_of_several_files_and_kinds(self, tmp_path: Path) -> None:
        fill(
            tmp_path,
            {
                "train-0.csv": "text\nx\n",
                "train-1.jsonl": '{"text":"y"}\n',
                "test.csv": "text\nz\n",
            },
        )
        assert load(tmp_path)[0] == ["x", "y"]
        assert load(tmp_path, split="test")[0] == ["z"]

    def test_lines_of_a_licence_beside_tables_are_no_prompts(self, tmp_path: Path) -> None:
        texts, info = load(fill(tmp_path, {"a.csv": "text\nx\n", "LICENSE.txt": "All rights\n"}))
        assert texts == ["x"]
        assert left_out(info) == {"plain text beside tables": ("LICENSE.txt",)}
        only_text = fill(tmp_path / "t", {"a.txt": "x\n", "b.txt": "y\n"})
        assert load(only_text)[0] == ["x", "y"]

    def test_a_card_with_a_data_folder(self, tmp_path: Path) -> None:
        card = "---\nconfigs:\n- config_name: main\n  data_dir: data\n---\n"
        fill(tmp_path, {"README.md": card, "data/in/a.csv": "text\nx\n", "b.csv": "text\ny\n"})
        texts, info = load(tmp_path)
        assert texts == ["x"]
        assert left_out(info)["of no split"] == ("b.csv",)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_a_file_that_may_not_be_read_is_an_error(self, tmp_path: Path) -> None:
        fill(tmp_path, {"a.csv": "text\nx\n", "b.csv": "text\ny\n"})
        (tmp_path / "b.csv").chmod(0)
        with pytest.raises(PromptSourceError, match=r"b\.csv cannot be read: Permission denied"):
            load(tmp_path)


class TestRows:
    @pytest.mark.parametrize(
        ("name", "content", "dropped"),
        [
            (
                "a.jsonl",
                '{"text": "x"}\n\n{"text": null}\n{"text": " "}\n',
                {"null": 1, "blank": 1},
            ),
            ("a.json", '[{"text": "x"}, {"text": null}, {"other": 1}]', {"null": 2}),
            ("a.csv", 'text,n\nx,1\n"",2\n" ",3\n', {"blank": 2}),
            ("a.csv", "text\n\nx\n\n", {"blank": 2}),
            ("a.txt", "x\n\n \n", {"blank": 2}),
        ],
    )
    def test_rows_without_a_prompt_are_counted_by_cause(
        self, tmp_path: Path, name: str, content: str, dropped: dict[str, int]
    ) -> None:
        texts, info = load(fill(tmp_path, {name: content}) / name)
        assert (texts, info.dropped) == (["x"], dropped)
        assert accounted(info)

    def test_rows_beyond_the_limit_are_counted(self, tmp_path: Path) -> None:
        fill(tmp_path, {"a.txt": "a\n\nb\nc\nd\n"})
        texts, info = load(tmp_path / "a.txt", 2)
        assert (texts, info.dropped, info.unused) == (["a", "b"], {"blank": 1}, 2)
        assert accounted(info)

    def test_values_of_csv_are_text_whatever_they_look_like(self, tmp_path: Path) -> None:
        values = ["NA", "null", "None", "nan", "42", "007", "1e3", "true", "2020-01-01"]
        fill(tmp_path, {"a.csv": "text\n" + "".join(f"{value}\n" for value in values)})
        texts, info = load(tmp_path / "a.csv")
        assert (texts, info.dropped) == (values, {})

    @pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.txt", "a.json"])
    def test_a_byte_order_mark_is_no_part_of_anything(self, tmp_path: Path, name: str) -> None:
        forms = {"jsonl": '{"text": "ä"}\n', "json": '[{"text": "ä"}]', "txt": "ä\n"}
        content = forms.get(name.partition(".")[2], "text\nä\n")
        fill(tmp_path, {name: b"\xef\xbb\xbf" + content.encode()})
        texts, info = load(tmp_path / name)
        assert (texts, info.column) == (["ä"], "text")

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("a.jsonl", '{"text": "x"}\n{"text": "y', r"a\.jsonl:2: not JSON"),
            ("a.jsonl", '{"text": "x"}\n{"text": 5}\n', r"a\.jsonl: row 1: .* a number"),
            ("a.jsonl", '{"text": "x"}\n["y"]\n', r"a\.jsonl:2: a list where an object"),
            ("a.csv", 'text\n"x\ny', r"a\.csv: after line \d: the file ends within double quotes"),
            ("a.csv", "text\nhello, world\n", r"a\.csv:2: 2 values where the header has 1"),
            ("a.csv", "text,n\nx\n", r"a\.csv:2: 1 values where the header has 2"),
            ("a.csv", "text,text\nx,y\n", "names the column 'text' twice"),
            ("a.csv", "text\nx\n".encode("utf-16"), "is UTF-16 text"),
            ("a.csv", "text\nxy\n".encode("utf-16-le"), "looks like UTF-16 text"),
            ("a.txt", "caf\xe9\n".encode("latin-1"), r"byte 3 is 0xe9 \(in line 1\)"),
            ("a.tsv", "text\nok\ncaf\xe9\n".encode("latin-1"), r"byte 11 is 0xe9 \(in line 3\)"),
            ("a.csv", "", "has no column"),
            ("a.csv.gz", b"no gzip at all", r"a\.csv\.gz cannot be read"),
            ("a.parquet", b"PAR1 cut off", "cannot be read"),
        ],
    )
    def test_what_cannot_be_read_whole_is_refused_with_its_place(
        self, tmp_path: Path, name: str, content: str | bytes, message: str
    ) -> None:
        fill(tmp_path, {name: content})
        with pytest.raises(PromptSourceError, match=message):
            load(tmp_path / name)


class TestDelimiters:
    @pytest.mark.parametrize("delimiter", [";", "\t", "|", ","])
    def test_what_separates_values_is_found(self, tmp_path: Path, delimiter: str) -> None:
        rows = [("n", "text"), ("1", "Say: hi"), ("2", f"a{delimiter}b"), ("3", "two\nlines")]
        quoted = [delimiter.join(f'"{v}"' if n == 1 else v for n, v in enumerate(r)) for r in rows]
        fill(tmp_path, {"a.csv": "\r\n".join(quoted) + "\r\n"})
        texts, info = load(tmp_path / "a.csv")
        assert (texts, info.column) == (["Say: hi", f"a{delimiter}b", "two\nlines"], "text")

    def test_commas_within_values_do_not_count(self, tmp_path: Path) -> None:
        fill(tmp_path, {"a.csv": "id;text\n1;Well, now, then\n2;No comma\n"})
        assert load(tmp_path / "a.csv")[0] == ["Well, now, then", "No comma"]

    def test_a_given_one_wins(self, tmp_path: Path) -> None:
        fill(tmp_path, {"a.csv": "id:text\n1:x\n"})
        assert load(tmp_path / "a.csv", delimiter=":")[0] == ["x"]
        assert load(fill(tmp_path, {"b.csv": "a;b\nx;y\n"}) / "b.csv", delimiter=",")[0] == ["x;y"]

    def test_very_long_values_are_read(self, tmp_path: Path) -> None:
        long = "word " * 100_000
        fill(tmp_path, {"a.csv": f"text\n{long}\n"})
        assert load(tmp_path / "a.csv")[0] == [long]


def test_a_prompt_file_counts_its_blank_lines(tmp_path: Path) -> None:
    path = fill(tmp_path, {"p.txt": "a\n\nb\n"}) / "p.txt"
    texts, info = load_prompts(PromptsConfig(type="file", path=str(path)), 1, None)
    assert (texts, info.dropped, info.unused) == (["a"], {"blank": 1}, 1)
    assert json.loads(info.model_dump_json())["files_read"] == 1
