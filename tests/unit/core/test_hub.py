"""Against a hub on localhost. In child processes: huggingface_hub reads its settings at import."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from llenergymeasure.core import hub as hub_module

_spec = importlib.util.spec_from_file_location(
    "hub_stand_in", Path(__file__).with_name("hub_stand_in.py")
)
assert _spec and _spec.loader
stand_in = importlib.util.module_from_spec(_spec)
sys.modules["hub_stand_in"] = stand_in
_spec.loader.exec_module(stand_in)
Hub, serve, COMMIT = stand_in.Hub, stand_in.serve, stand_in.COMMIT

# What hangs would take far longer; what is only slow, on a busy machine, takes less.
SLOW_S = 60.0
TOKEN = "hf_secretsecretsecret"

CHILD = """
import json, logging, sys, time
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
from llenergymeasure.core import hub
from llenergymeasure.exceptions import LLEnergyMeasureError
name, revision, patch = json.loads(sys.argv[1])
exec(patch)
start = time.monotonic()
try:
    found = hub.resolve_hub_model(name, revision)
    said = {"path": str(found.path), "commit": found.commit}
except LLEnergyMeasureError as error:
    said = {"error": type(error).__name__, "message": error.message, "hint": error.hint}
print(json.dumps({**said, "seconds": time.monotonic() - start}))
"""


@dataclass
class Asker:
    home: Path

    def __call__(
        self, url: str, name: str = "owner/model", revision: str | None = None, *, patch="", **env
    ):
        child = subprocess.run(
            [sys.executable, "-c", CHILD, json.dumps([name, revision, patch])],
            env={
                "PATH": os.environ["PATH"],
                "HF_HOME": str(self.home),
                "HF_ENDPOINT": url,
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
        return json.loads(child.stdout)


@pytest.fixture
def ask(tmp_path: Path) -> Asker:
    return Asker(tmp_path / "hf")


@pytest.fixture
def files() -> dict[str, bytes]:
    return {
        "config.json": b'{"model_type": "llama"}',
        "tokenizer.json": b"{}",
        "model.safetensors": b"weights",
        "pytorch_model.bin": b"the same weights",
        "consolidated.safetensors": b"and again",
        "onnx/model.onnx": b"and again",
        "onnx/config.json": b"and again",
        "README.md": b"words",
    }


@pytest.fixture
def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def test_a_model_is_brought_once_and_only_what_is_needed(ask: Asker, files) -> None:
    with serve(Hub(files)) as hub:
        said = ask(hub.url)
        assert said["commit"] == COMMIT
        folder = Path(said["path"])
        assert folder.is_relative_to(ask.home)
        needed = {"config.json", "tokenizer.json", "model.safetensors"}
        assert hub.fetched() == needed
        assert {p.name for p in folder.iterdir()} == needed
        assert (folder / "model.safetensors").read_bytes() == b"weights"
        assert hub.tokens == {f"Bearer {TOKEN}"}
        hub.paths.clear()
        assert ask(hub.url)["path"] == said["path"]
        assert not [path for path in hub.paths if path.endswith(".safetensors")]


def test_pickled_weights_are_taken_where_there_are_no_others(ask: Asker, files) -> None:
    files = {name: data for name, data in files.items() if "safetensors" not in name}
    with serve(Hub(files)) as hub:
        folder = Path(ask(hub.url)["path"])
        again = Path(ask(hub.url, HF_HUB_OFFLINE="1")["path"])
    assert folder == again
    assert (folder / "pytorch_model.bin").read_bytes() == b"the same weights"


@pytest.mark.parametrize("revision", [None, "v1", COMMIT])
def test_the_cache_serves_when_the_hub_does_not(ask: Asker, files, closed_port, revision) -> None:
    with serve(Hub(files)) as hub:
        path = ask(hub.url, revision=revision)["path"]
    for url, env in ((closed_port, {}), (closed_port, {"HF_HUB_OFFLINE": "1"})):
        said = ask(url, revision=revision, **env)
        assert (said["path"], said["commit"]) == (path, COMMIT)
        assert said["seconds"] < SLOW_S
    with serve(Hub(files, refuse_info=(503, {}))) as hub:
        assert ask(hub.url, revision=revision)["path"] == path


def test_a_cached_gated_model_needs_no_token_again(ask: Asker, files) -> None:
    with serve(Hub(files)) as hub:
        path = ask(hub.url)["path"]
    with serve(Hub(files, refuse_info=(401, {}))) as hub:
        assert ask(hub.url)["path"] == path


def test_half_a_download_is_not_a_model(ask: Asker, files, closed_port) -> None:
    with serve(Hub(files)) as hub:
        path = Path(ask(hub.url)["path"])
    (path / "model.safetensors").unlink()
    said = ask(closed_port)
    assert said["error"] == "HubUnreachableError"
    assert "not complete in the local cache" in said["message"]


def test_a_closed_port_is_said_within_seconds(ask: Asker, closed_port) -> None:
    said = ask(closed_port)
    assert said["error"] == "HubUnreachableError"
    assert said["seconds"] < SLOW_S
    assert "cannot be reached" in said["message"]
    assert closed_port.removeprefix("http://") in said["message"]
    assert "local directory" in said["hint"]


def test_a_name_server_that_hangs_does_not_hang_us(ask: Asker) -> None:
    hang = "import socket; socket.getaddrinfo = lambda *a, **k: time.sleep(600)"
    start = time.monotonic()
    said = ask("http://hub.invalid", patch=f"{hang}; hub._ANSWER_TIMEOUT_S = 0.5")
    assert said["error"] == "HubUnreachableError"
    assert said["seconds"] < SLOW_S
    assert time.monotonic() - start < 2 * SLOW_S, "the hanging thread does not keep the process"
    assert hub_module._ANSWER_TIMEOUT_S < 10


def test_a_hub_that_says_nothing_does_not_hang_us(ask: Asker) -> None:
    with serve(Hub(silent=True)) as hub:
        said = ask(hub.url, patch="hub._REQUEST_TIMEOUT_S = 0.5")
    assert said["error"] == "HubUnreachableError"
    assert said["seconds"] < SLOW_S
    assert hub_module._REQUEST_TIMEOUT_S < hub_module._ANSWER_TIMEOUT_S


def test_offline_and_not_cached(ask: Asker, files) -> None:
    with serve(Hub(files)) as hub:
        said = ask(hub.url, HF_HUB_OFFLINE="1")
        assert hub.paths == []
    assert said["error"] == "HubUnreachableError"
    assert "HF_HUB_OFFLINE is set" in said["message"]


def test_an_unknown_model(ask: Asker, files) -> None:
    with serve(Hub(files)) as hub:
        said = ask(hub.url, "owner/other")
    assert said["error"] == "ModelNotFoundError"
    assert "'owner/other'" in said["message"]
    assert "404" in said["message"]


def test_an_unknown_revision(ask: Asker, files) -> None:
    with serve(Hub(files)) as hub:
        said = ask(hub.url, revision="v9")
    assert said["error"] == "ModelNotFoundError"
    assert "no revision 'v9'" in said["message"]


@pytest.mark.parametrize(
    "refusal",
    [
        {"refuse_info": (401, {})},
        {"refuse_info": (403, {})},
        {"refuse_info": (403, {"X-Error-Code": "GatedRepo"})},
        {"refuse_files": (403, {"X-Error-Code": "GatedRepo"})},
        {"refuse_files": (401, {"X-Error-Code": "GatedRepo"})},
    ],
    ids=["401", "403", "gated", "gated-files", "gated-files-401"],
)
def test_a_closed_model_says_how_to_open_it(ask: Asker, files, refusal) -> None:
    with serve(Hub(files, **refusal)) as hub:
        said = ask(hub.url)
    assert said["error"] == "ModelNotFoundError"
    assert "gated" in said["message"]
    assert "accept its licence" in said["hint"]
    assert "HF_TOKEN" in said["hint"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_hub_in_trouble_is_not_the_users_mistake(ask: Asker, files, status: int) -> None:
    with serve(Hub(files, refuse_info=(status, {}))) as hub:
        said = ask(hub.url)
    assert said["error"] == "HubUnreachableError"
    assert str(status) in said["message"]


@pytest.mark.parametrize("name", ["a/b/c", "a b", "-x", "what?", "x--y"])
def test_an_invalid_id(ask: Asker, name: str, closed_port) -> None:
    said = ask(closed_port, name)
    assert said["error"] == "ModelNotFoundError"
    assert "neither a directory nor a valid model id" in said["message"]
    assert said["seconds"] < SLOW_S


def test_a_mirrors_password_is_not_shown(ask: Asker, closed_port) -> None:
    said = ask(closed_port.replace("http://", "http://me:hunter2@"))
    assert said["error"] == "HubUnreachableError"
    assert "hunter2" not in json.dumps(said)


def test_code_is_brought_only_when_asked_for(ask: Asker, files) -> None:
    files["modeling.py"] = b"print('ran')"
    trusting = "import functools; hub.resolve_hub_model = functools.partial(hub.resolve_hub_model"
    for patch, brought in (("", False), (f"{trusting}, code=True)", True)):
        with serve(Hub(files)) as hub:
            ask(hub.url, patch=patch)
            assert ("modeling.py" in hub.fetched()) is brought
