"""Datasets of this disk, and of a hub on localhost, through the ``datasets`` library.

In child processes where a hub is asked: huggingface_hub reads its settings at import.
"""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

_path = Path(__file__).parents[1] / "unit" / "core" / "hub_stand_in.py"
_spec = importlib.util.spec_from_file_location("hub_stand_in_for_datasets", _path)
assert _spec and _spec.loader
stand_in = importlib.util.module_from_spec(_spec)
sys.modules["hub_stand_in_for_datasets"] = stand_in
_spec.loader.exec_module(stand_in)
Hub, serve, COMMIT = stand_in.Hub, stand_in.serve, stand_in.COMMIT

# What hangs would take far longer; what is only slow, on a busy machine, takes less.
SLOW_S = 60.0
TOKEN = "hf_secretsecretsecret"
CARD = """---
configs:
- config_name: other
  data_files:
  - {split: train, path: other/train-*}
- config_name: main
  default: true
  data_files:
  - {split: train, path: "main/train-*.jsonl"}
  - {split: test, path: main/test.jsonl}
---
words
"""

CHILD = """
import json, sys, time
from pathlib import Path
from llenergymeasure.config.prompt_models import PromptsConfig
from llenergymeasure.core import hub
from llenergymeasure.core.prompts import load_prompts, pin_source
from llenergymeasure.exceptions import LLEnergyMeasureError
section, count, patch = json.loads(sys.argv[1])
exec(patch)
start = time.monotonic()
try:
    config = PromptsConfig(type="huggingface", **section)
    prompts, info = load_prompts(config, count, Path.cwd())
    again = pin_source(config, info).model_dump(exclude_none=True, exclude={"type", "shuffle"})
    texts = [p if isinstance(p, str) else [[m.role, m.content] for m in p.messages]
             for p in prompts]
    said = {"prompts": texts, "info": info.model_dump(), "pinned": again}
except LLEnergyMeasureError as error:
    said = {"error": type(error).__name__, "message": error.message, "hint": error.hint,
            "exit": error.exit_code}
print(json.dumps({**said, "seconds": time.monotonic() - start}))
"""

SHORT_PAUSES = "time.sleep = lambda s, sleep=time.sleep: sleep(min(s, 0.05))"


@dataclass
class Asker:
    home: Path

    def __call__(self, section: dict, count: int | None = None, *, url="", patch="", **env) -> dict:
        child = subprocess.run(
            [sys.executable, "-c", CHILD, json.dumps([section, count, patch])],
            env={
                "PATH": os.environ["PATH"],
                "HF_HOME": str(self.home),
                "HF_ENDPOINT": url or "http://127.0.0.1:9",
                "HF_TOKEN": TOKEN,
                "HF_HUB_DISABLE_XET": "1",
                "HF_HUB_DISABLE_TELEMETRY": "1",
                **env,
            },
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert child.returncode == 0, child.stderr
        assert TOKEN not in child.stdout + child.stderr
        said: dict = json.loads(child.stdout)
        return said


@pytest.fixture
def ask(tmp_path: Path) -> Asker:
    return Asker(tmp_path / "hf")


def lines(*values: object, column: str = "question") -> bytes:
    return "".join(json.dumps({"id": 1, column: value}) + "\n" for value in values).encode()


@pytest.fixture
def files() -> dict[str, bytes]:
    return {
        "README.md": CARD.encode(),
        "main/train-0.jsonl": lines("a", "b", " ", None),
        "main/train-1.jsonl": lines("c"),
        "main/test.jsonl": lines("t"),
        "other/train-0.jsonl": lines("z"),
        "main/code.py": b"raise SystemExit('run')",
        "model.py": b"raise SystemExit('run')",
    }


@pytest.fixture
def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


class TestOnDisk:
    @pytest.fixture(autouse=True)
    def _cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import datasets

        monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")

    def load(self, name: Path | str, count: int | None = None, **section):
        from llenergymeasure.config.prompt_models import PromptsConfig
        from llenergymeasure.core.prompts import load_prompts

        config = PromptsConfig(type="huggingface", dataset=str(name), **section)
        return load_prompts(config, count, base_dir=None)

    @pytest.mark.parametrize("kind", ["parquet", "json", "jsonl", "csv", "saved", "saved-dict"])
    def test_every_form_gives_the_same_prompts(self, tmp_path: Path, kind: str) -> None:
        from datasets import Dataset, DatasetDict

        rows = Dataset.from_dict({"id": [1, 2, 3], "text": ["one", "zwei ä", "three"]})
        path = tmp_path / f"data.{kind}"
        match kind:
            case "parquet":
                rows.to_parquet(path)
            case "csv":
                rows.to_csv(path)
            case "json" | "jsonl":
                rows.to_json(path)
            case "saved":
                rows.save_to_disk(path)
            case _:
                DatasetDict({"train": rows, "test": rows.select([0])}).save_to_disk(path)
        texts, info = self.load(path)

        assert texts == ["one", "zwei ä", "three"]
        assert (info.source, info.column, info.split) == (str(path), "text", "train")
        assert (info.count, info.available, info.revision) == (3, 3, None)

    def test_a_folder_with_a_card_has_subsets_and_splits(self, tmp_path: Path, files) -> None:
        for name, data in files.items():
            (tmp_path / "d" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "d" / name).write_bytes(data)
        folder = tmp_path / "d"
        texts, info = self.load(folder)
        assert texts == ["a", "b", "c"]
        assert (info.available, info.skipped) == (5, 2)
        assert self.load(folder, split="test")[0] == ["t"]
        assert self.load(folder, subset="other")[0] == ["z"]
        with pytest.raises(Exception, match="has no split 'tset'; did you mean 'test'"):
            self.load(folder, split="tset")
        with pytest.raises(Exception, match="has no subset 'mian'; did you mean 'main'"):
            self.load(folder, subset="mian")

    def test_files_in_a_folder_are_split_by_their_names(self, tmp_path: Path) -> None:
        folder = tmp_path / "d"
        folder.mkdir()
        (folder / "train.csv").write_text("prompt\nx\ny\n")
        (folder / "test.csv").write_text("prompt\nz\n")
        assert self.load(folder)[0] == ["x", "y"]
        assert self.load(folder, split="test")[0] == ["z"]

    def test_shuffling_repeats_and_differs_by_seed(self, tmp_path: Path) -> None:
        path = tmp_path / "d.txt"
        path.write_text("".join(f"{n}\n" for n in range(50)))
        plain = self.load(path, sample_size=10)[0]
        first = self.load(path, sample_size=10, shuffle=True)[0]
        assert plain == [str(n) for n in range(10)]
        assert first != plain
        assert first == self.load(path, sample_size=10, shuffle=True, seed=42)[0]
        assert first != self.load(path, sample_size=10, shuffle=True, seed=1)[0]
        assert first[:4] == self.load(path, 4, shuffle=True)[0]

    def test_messages_are_chats_without_the_last_answer(self, tmp_path: Path) -> None:
        from llenergymeasure.domain.prompt import Chat, ChatMessage

        turns = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
        answer = {"role": "assistant", "content": "a"}
        other = [{"from": "human", "value": "h"}, {"from": "gpt", "value": "g"}]
        path = tmp_path / "d.jsonl"
        path.write_text(json.dumps({"id": 5, "messages": [*turns, answer]}) + "\n")
        wanted = Chat((ChatMessage("system", "s"), ChatMessage("user", "u")))
        assert self.load(path)[0] == [wanted]
        path.write_text(json.dumps({"conversations": other}) + "\n")
        assert self.load(path)[0] == [Chat((ChatMessage("user", "h"),))]

    @pytest.mark.parametrize(
        ("content", "section", "message"),
        [
            ('{"a": "x", "b": "y"}', {}, "none of the usual columns"),
            ('{"text": "x"}', {"column": "txet"}, "no column 'txet'; did you mean 'text'"),
            ('{"text": 5}', {}, "row 0: column 'text' holds a number"),
            ('{"text": " "}', {}, "holds no prompt"),
            ('{"text": "x"}', {"sample_size": 2}, "prompts.sample_size is 2, but .* holds 1"),
            ('{"text": "x"}', {"subset": "x"}, "is a file, so there is no subset"),
            ('{"text": "x"}', {"split": "test"}, "has no split 'test'"),
            ('{"text": ', {}, "d.jsonl:1: not JSON"),
        ],
    )
    def test_what_is_wrong_is_said(self, tmp_path: Path, content, section, message) -> None:
        from llenergymeasure.exceptions import PromptSourceError

        path = tmp_path / "d.jsonl"
        path.write_text(content + "\n")
        with pytest.raises(PromptSourceError, match=message):
            self.load(path, **section)

    def test_a_script_is_never_run(self, tmp_path: Path) -> None:
        from llenergymeasure.exceptions import PromptSourceError

        folder = tmp_path / "evil"
        folder.mkdir()
        (folder / "evil.py").write_text(f"open({str(tmp_path / 'run')!r}, 'w')\nimport datasets\n")
        with pytest.raises(PromptSourceError, match="holds no table"):
            self.load(folder)
        (folder / "train.csv").write_text("text\nx\n")
        try:
            assert self.load(folder)[0] == ["x"]
        except PromptSourceError as error:
            assert "script" in error.message.lower()
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize("pattern", ["../secret.jsonl", "/etc/passwd", "http://evil/x.jsonl"])
    def test_a_card_cannot_lead_outside(self, tmp_path: Path, pattern: str) -> None:
        from llenergymeasure.exceptions import PromptSourceError

        (tmp_path / "secret.jsonl").write_bytes(lines("secret"))
        folder = tmp_path / "d"
        folder.mkdir()
        card = f"---\nconfigs:\n- config_name: x\n  data_files: '{pattern}'\n---\n"
        (folder / "README.md").write_text(card)
        with pytest.raises(PromptSourceError, match="outside of itself"):
            self.load(folder)


class TestHub:
    def test_only_the_subset_is_brought_and_once(self, ask: Asker, files) -> None:
        with serve(Hub(files, kind="dataset")) as hub:
            said = ask({"dataset": "owner/model"}, url=hub.url)
            assert said["prompts"] == ["a", "b", "c"]
            info = said["info"]
            assert (info["source"], info["revision"]) == ("huggingface:owner/model", COMMIT)
            assert info["sha256"] is None
            wanted = {n for n in files if n.startswith("main/") and n.endswith("l")}
            assert hub.fetched() == {"README.md", *wanted}
            assert hub.tokens == {f"Bearer {TOKEN}"}
            hub.paths.clear()
            # As the measuring process and a resume ask: by the commit, and of no hub.
            again = ask(said["pinned"], url=hub.url)
            assert again["info"]["used_sha256"] == info["used_sha256"]
            assert hub.paths == []

    def test_another_subset_comes_when_it_is_asked_for(self, ask: Asker, files) -> None:
        with serve(Hub(files, kind="dataset")) as hub:
            said = ask({"dataset": "owner/model", "subset": "other"}, url=hub.url)
            assert said["prompts"] == ["z"]
            assert hub.fetched() == {"README.md", "other/train-0.jsonl"}

    def test_without_a_card_the_tables_come_and_no_code(self, ask: Asker) -> None:
        files = {"train.csv": b"prompt\nx\n", "owner.py": b"raise SystemExit(9)", "w.bin": b"1"}
        with serve(Hub(files, kind="dataset")) as hub:
            said = ask({"dataset": "owner/model"}, url=hub.url)
            assert said["prompts"] == ["x"]
            assert hub.fetched() == {"train.csv"}

    def test_a_dataset_of_code_alone_is_refused(self, ask: Asker) -> None:
        with serve(Hub({"model.py": b"raise SystemExit(9)"}, kind="dataset")) as hub:
            said = ask({"dataset": "owner/model"}, url=hub.url)
            assert hub.fetched() == set()
        assert (said["error"], said["exit"]) == ("PromptSourceError", 2)
        assert "holds no table" in said["message"]

    def test_the_cache_serves_when_the_hub_does_not(self, ask: Asker, files, closed_port) -> None:
        section = {"dataset": "owner/model"}
        with serve(Hub(files, kind="dataset")) as hub:
            first = ask(section, url=hub.url)
        for env in ({}, {"HF_HUB_OFFLINE": "1"}):
            said = ask(section, url=closed_port, **env)
            assert said["prompts"] == first["prompts"]
            assert said["info"]["revision"] == COMMIT
            other = ask({**section, "subset": "other"}, url=closed_port, **env)
            assert other["error"] == "HubUnreachableError"

    def test_an_interrupted_download_goes_on(self, ask: Asker, files) -> None:
        files["main/train-0.jsonl"] = lines(*("x" * 1000 for _ in range(300)))
        with serve(Hub(files, kind="dataset", breaks={"main/train-0.jsonl"})) as hub:
            # It can only go on from what has come in whole chunks, of 10 MB.
            small = "from huggingface_hub import constants; constants.DOWNLOAD_CHUNK_SIZE = 4096"
            said = ask({"dataset": "owner/model"}, url=hub.url, patch=small)
            assert said["info"]["count"] == 301
            assert not hub.breaks
            assert [part for part in hub.ranges if part != "bytes=0-"]

    def test_a_killed_download_is_finished_by_the_next(self, ask: Asker, files) -> None:
        refusal = (503, {})
        with serve(Hub(files, kind="dataset")) as hub:
            ask({"dataset": "owner/model", "subset": "other"}, url=hub.url)
            hub.refuse_files = refusal
            # The hub's client tries again and again, after ever longer pauses: half a minute.
            said = ask({"dataset": "owner/model"}, url=hub.url, patch=SHORT_PAUSES)
            assert said["error"] == "HubUnreachableError"
            hub.refuse_files = None
            hub.paths.clear()
            assert ask({"dataset": "owner/model"}, url=hub.url)["prompts"] == ["a", "b", "c"]
            assert "README.md" not in hub.fetched()

    @pytest.mark.parametrize(
        ("refusal", "words"),
        [
            ({"refuse_info": (401, {})}, "shows no dataset 'owner/model' to you"),
            ({"refuse_info": (403, {"X-Error-Code": "GatedRepo"})}, "gated"),
            ({"refuse_files": (401, {"X-Error-Code": "GatedRepo"})}, "gated"),
        ],
        ids=["401", "gated", "gated-files"],
    )
    def test_a_closed_dataset_says_how_to_open_it(self, ask: Asker, files, refusal, words) -> None:
        with serve(Hub(files, kind="dataset", **refusal)) as hub:
            said = ask({"dataset": "owner/model"}, url=hub.url)
        assert (said["error"], said["exit"]) == ("PromptSourceError", 2)
        assert words in said["message"]
        assert "HF_TOKEN" in said["hint"]

    def test_an_unknown_dataset_and_revision(self, ask: Asker, files) -> None:
        with serve(Hub(files, kind="dataset")) as hub:
            said = ask({"dataset": "owner/other"}, url=hub.url)
            assert (said["error"], said["exit"]) == ("PromptSourceError", 2)
            assert "there is no dataset 'owner/other'" in said["message"]
            said = ask({"dataset": "owner/model", "revision": "v9"}, url=hub.url)
            assert "has no revision 'v9'" in said["message"]
            assert ask({"dataset": "owner/model", "revision": "v1"}, url=hub.url)["prompts"]

    def test_a_hub_that_is_silent_or_away_is_said_in_time(self, ask: Asker, closed_port) -> None:
        said = ask({"dataset": "gsm8k"}, url=closed_port)
        assert (said["error"], said["exit"]) == ("HubUnreachableError", 1)
        assert "'openai/gsm8k'" in said["message"]
        assert said["seconds"] < SLOW_S
        with serve(Hub(silent=True, kind="dataset")) as hub:
            said = ask({"dataset": "owner/model"}, url=hub.url)
        assert said["error"] == "HubUnreachableError"
        assert said["seconds"] < SLOW_S

    @pytest.mark.parametrize(
        "name", ["../../etc", "/etc/shadow-x", "a/../../b", "a/b/c", "x\0y", "owner/..", "~x"]
    )
    def test_a_hostile_name_leads_nowhere(self, ask: Asker, closed_port, name: str) -> None:
        said = ask({"dataset": name}, url=closed_port)
        assert said["error"] == "PromptSourceError"
        assert not list(ask.home.rglob("*.lock"))
