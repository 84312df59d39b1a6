from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llenergymeasure.config.models import PromptsConfig
from llenergymeasure.core.prompt_sources.file import COLUMN_CANDIDATES, parse_prompts
from llenergymeasure.core.prompts import load_prompts
from llenergymeasure.domain.experiment import PromptsInfo
from llenergymeasure.exceptions import PromptSourceError


def load(
    path: Path | str, num_prompts: int | None = None, column: str | None = None
) -> tuple[list[str], PromptsInfo]:
    config = PromptsConfig(type="file", path=str(path), column=column)
    return load_prompts(config, num_prompts, base_dir=None)


def refused(path: Path, *, column: str | None = None) -> PromptSourceError:
    with pytest.raises(PromptSourceError) as caught:
        load(path, column=column)
    return caught.value


def jsonl(path: Path, *records: object) -> Path:
    path.write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
    return path


class TestBuiltin:
    def test_it_is_large_varied_and_named(self) -> None:
        texts, info = load_prompts(PromptsConfig(), None, None)
        words = sorted(len(text.split()) for text in texts)

        assert len(texts) == len(set(texts)) == info.count == info.available >= 64
        assert words[0] <= 5
        assert words[-1] >= 200
        assert info.source == "builtin:everyday"
        assert info.column is None

    def test_the_first_few_are_varied_too(self) -> None:
        texts, info = load_prompts(PromptsConfig(), 8, None)
        words = [len(text.split()) for text in texts]

        assert info.count == 8
        assert info.available > 8
        assert max(words) > 10 * min(words)

    def test_more_than_there_are_is_refused(self) -> None:
        with pytest.raises(PromptSourceError, match="num_prompts is 9999, but builtin:everyday"):
            load_prompts(PromptsConfig(), 9999, None)


class TestText:
    def test_one_a_line_and_blank_lines_skipped(self, tmp_path: Path) -> None:
        path = tmp_path / "p.txt"
        path.write_bytes("first\r\n\r\n  indented \n   \nlast line\u2028same prompt".encode())
        texts, info = load(path)

        assert texts == ["first", "  indented ", "last line\u2028same prompt"]
        assert info.column is None
        assert info.source == str(path)

    def test_the_hashes_can_be_recomputed(self, tmp_path: Path) -> None:
        path = tmp_path / "p.txt"
        path.write_bytes("\ufeffgrün\nb\nc\n".encode())
        texts, info = load(path, 2)

        assert texts == ["grün", "b"]
        assert (info.count, info.available) == (2, 3)
        assert info.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert info.used_sha256 == hashlib.sha256("grün\0b\0".encode()).hexdigest()

    @given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r"))))
    def test_every_line_comes_back(self, lines: list[str]) -> None:
        kept = tuple(line for line in lines if line.strip())
        data = "\n".join(["x", *lines]).encode()
        assert parse_prompts(data, Path("p.txt"), None).texts == ("x", *kept)

    @pytest.mark.parametrize("content", [b"", b"\n \n\t\n", b"\xef\xbb\xbf\n"])
    def test_a_file_without_prompts_is_refused(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "p.txt").write_bytes(content)
        assert "holds no prompt" in refused(tmp_path / "p.txt").message

    @pytest.mark.parametrize(("prefix", "offset"), [(b"", 2), (b"\xef\xbb\xbf", 5)])
    def test_binary_is_refused_with_the_byte(
        self, tmp_path: Path, prefix: bytes, offset: int
    ) -> None:
        (tmp_path / "p.txt").write_bytes(prefix + b"ab\xff\xfe")
        assert f"byte {offset} is 0xff" in refused(tmp_path / "p.txt").message

    @pytest.mark.parametrize("suffix", [".csv", ".json", ".parquet", ".JSON"])
    def test_other_formats_are_not_taken_for_text(self, tmp_path: Path, suffix: str) -> None:
        (tmp_path / f"p{suffix}").write_text("a,b\n")
        assert "JSON Lines" in (refused(tmp_path / f"p{suffix}").hint or "")


class TestJsonLines:
    @pytest.mark.parametrize("name", ["p.jsonl", "p.NDJSON"])
    @pytest.mark.parametrize("column", COLUMN_CANDIDATES)
    def test_the_usual_columns_are_found(self, tmp_path: Path, name: str, column: str) -> None:
        path = jsonl(tmp_path / name, {"id": 1, column: "a\nb"}, {column: "c", "id": 2})
        texts, info = load(path)

        assert texts == ["a\nb", "c"]
        assert info.column == column

    def test_the_order_of_the_usual_columns_decides(self, tmp_path: Path) -> None:
        record = {name: name for name in reversed(COLUMN_CANDIDATES)}
        assert load(jsonl(tmp_path / "p.jsonl", record))[0] == ["text"]

    def test_a_given_column_wins_and_makes_any_file_json_lines(self, tmp_path: Path) -> None:
        path = jsonl(tmp_path / "p.txt", {"text": "a", "other": "b"})
        texts, info = load(path, column="other")

        assert texts == ["b"]
        assert info.column == "other"

    def test_a_line_separator_within_a_string_splits_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "p.jsonl"
        path.write_text('\ufeff{"text": "a\u2028b"}\r\n\r\n{"text": "c"}', encoding="utf-8")
        assert load(path)[0] == ["a\u2028b", "c"]

    @pytest.mark.parametrize(
        ("line", "column", "message", "hint"),
        [
            ('{"text": "a"', None, "p.jsonl:3: not JSON", "one object"),
            ("plain words", None, "p.jsonl:3: not JSON", "call the file .txt"),
            ('["a"]', None, "p.jsonl:3: a list where an object", "one object"),
            ("null", None, "p.jsonl:3: null where an object", "one object"),
            ('{"txet": "a"}', None, "no column 'text'; did you mean 'txet'?", "'txet'"),
            ("{}", None, "p.jsonl:3: no column 'text'", "none"),
            ('{"text": 5}', None, "p.jsonl:3: column 'text' holds a number", None),
            ('{"text": null}', None, "p.jsonl:3: column 'text' holds null", None),
            ('{"text": ["a"]}', None, "p.jsonl:3: column 'text' holds a list", None),
            ('{"text": true}', None, "p.jsonl:3: column 'text' holds a boolean", None),
            ('{"text": {"a": 1}}', None, "p.jsonl:3: column 'text' holds an object", None),
            ('{"text": " \\n"}', None, "p.jsonl:3: column 'text' is empty", "fill it"),
            ('{"text": "\\ud800"}', None, "p.jsonl:3: column 'text' holds half", "lone"),
            ('{"text": ' + "9" * 5000 + "}", None, "p.jsonl:3: JSON that cannot", None),
            ("[" * 100_000, None, "p.jsonl:3: ", None),
        ],
    )
    def test_a_bad_line_is_named(
        self, tmp_path: Path, line: str, column: str | None, message: str, hint: str | None
    ) -> None:
        path = tmp_path / "p.jsonl"
        path.write_text(f'{{"text": "good"}}\n\n{line}\n', encoding="utf-8")
        error = refused(path, column=column)

        assert message in error.message
        assert hint is None or hint in (error.hint or "")

    def test_a_missing_column_names_the_nearest_and_all(self, tmp_path: Path) -> None:
        path = jsonl(tmp_path / "p.jsonl", {"prompt": "a", "id": 1})
        error = refused(path, column="prompts")

        assert "p.jsonl:1: no column 'prompts'; did you mean 'prompt'?" in error.message
        assert "'prompt', 'id'" in (error.hint or "")

    def test_no_usual_column_lists_what_is_there(self, tmp_path: Path) -> None:
        error = refused(jsonl(tmp_path / "p.jsonl", {"body": "a", "id": 1}))

        assert "p.jsonl:1" in error.message
        assert "'body', 'id'" in error.message
        assert "prompts.column" in (error.hint or "")


class TestPaths:
    @pytest.fixture
    def base(self, tmp_path: Path) -> Path:
        folder = tmp_path / "configs"
        folder.mkdir()
        return folder

    def load_relative(self, base: Path | None) -> list[str]:
        config = PromptsConfig(type="file", path="p.txt")
        return load_prompts(config, None, base)[0]

    def test_the_folder_of_the_config_comes_first(self, tmp_path: Path, base: Path) -> None:
        (tmp_path / "p.txt").write_text("working directory")
        assert self.load_relative(base) == ["working directory"]
        assert self.load_relative(None) == ["working directory"]
        (base / "p.txt").write_text("beside the config")
        assert self.load_relative(base) == ["beside the config"]

    def test_a_missing_file_names_both_places(self, tmp_path: Path, base: Path) -> None:
        with pytest.raises(PromptSourceError) as caught:
            self.load_relative(base)
        assert f"{base}/p.txt nor {tmp_path}/p.txt" in caught.value.message

    def test_a_missing_absolute_path_is_named_once(self, tmp_path: Path, base: Path) -> None:
        config = PromptsConfig(type="file", path=str(tmp_path / "absent.txt"))
        with pytest.raises(PromptSourceError) as caught:
            load_prompts(config, None, base)
        assert caught.value.message.endswith(f"no file {tmp_path}/absent.txt")

    def test_the_home_folder_is_expanded(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / "p.txt").write_text("at home")
        assert load("~/p.txt")[0] == ["at home"]

    @pytest.mark.parametrize("path", ["~nobody-of-that-name/p.txt", "a\0b", "x" * 5000])
    def test_impossible_paths_are_refused(self, path: str) -> None:
        with pytest.raises(PromptSourceError, match=r"prompts\.path"):
            load(path)

    def test_a_folder_is_refused(self, base: Path) -> None:
        assert "is a folder" in refused(base).message

    def test_a_pipe_is_refused_and_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        assert "not a regular file" in refused(tmp_path / "pipe").message

    def test_a_file_that_cannot_be_read_is_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Tests may run as root, who can read everything.
        def denied(self: Path) -> bytes:
            raise PermissionError(13, "Permission denied")

        (tmp_path / "p.txt").write_text("a")
        monkeypatch.setattr(Path, "read_bytes", denied)
        assert "Permission denied" in refused(tmp_path / "p.txt").message

    def test_too_few_prompts_are_told_before_a_run(self, tmp_path: Path) -> None:
        (tmp_path / "p.txt").write_text("a\nb\n")
        with pytest.raises(PromptSourceError) as caught:
            load(tmp_path / "p.txt", 3)
        assert "holds 2 prompts" in caught.value.message
        assert "to 2 or less" in (caught.value.hint or "")
