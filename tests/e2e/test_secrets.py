"""A token and a webhook's address stay where the user put them: in the environment or .env."""

from __future__ import annotations

import json
import subprocess
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from .conftest import TIMEOUT_S, Lem, wait_for

TOKEN = "hf_" + "kZ7sEcReTtOkEn9xQ"
HOOK = "https://hooks.example.org/services/T0/B0/" + "w3bh00kS3cr3t"
PASSWORD = "p4ssw0rdOfTheMirror"
BASIC = b64encode(f"user:{PASSWORD}".encode()).decode()
SECRETS = (TOKEN, HOOK.rpartition("/")[2], PASSWORD, BASIC)
VARIABLES = {
    "HF_TOKEN": TOKEN,
    "HUGGING_FACE_HUB_TOKEN": TOKEN,
    "LEM_WEBHOOK_URL": HOOK,
    "WEBHOOK_URL": HOOK,
    "LLM_ENERGY_WEBHOOK_URL": HOOK,
}
ECHO: dict[str, Any] = {
    "config_name": "secret",
    "model_name": "scripted",
    "backend": "echo",
    "num_prompts": 4,
    "max_output_tokens": 2,
    "energy": {"backend": "none"},
}
PYTORCH: dict[str, Any] = {
    "config_name": "secret",
    "model_name": "builtin:tiny-llama",
    "device": "cpu",
    "num_prompts": 2,
    "max_output_tokens": 2,
    "warmup": {"prompts": 0},
    "energy": {"backend": "none"},
}


@pytest.fixture(params=["environment", "dotenv"])
def place(request: pytest.FixtureRequest, lem: Lem, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the secrets are."""
    if request.param == "environment":
        for name, value in VARIABLES.items():
            monkeypatch.setenv(name, value)
    else:
        lines = "".join(f'{name}="{value}"\n' for name, value in VARIABLES.items())
        (lem.folder / ".env").write_text(lines)
    return str(request.param)


def leaks(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text]


def nothing_leaked(lem: Lem, done: subprocess.CompletedProcess[str], *folders: Path) -> None:
    assert not leaks(done.stdout), done.stdout
    assert not leaks(done.stderr), done.stderr
    for folder in (lem.folder, *folders):
        for path in folder.rglob("*"):
            if path.is_file() and path.name != ".env":
                assert not leaks(path.read_bytes().decode("latin-1")), path


@pytest.mark.parametrize("config", [ECHO, PYTORCH], ids=["echo", "pytorch"])
def test_a_run_keeps_them(lem: Lem, place: str, config: dict[str, Any]) -> None:
    file = lem.write(config)
    done = lem("-vv", "experiment", file)
    assert done.returncode == 0, done.stderr
    assert list(lem.folder.glob("results/raw/*/logs/*.log"))
    nothing_leaked(lem, done)


def test_they_are_in_no_process_list(lem: Lem, place: str) -> None:
    file = lem.write({**ECHO, "echo": {"per_token_s": 0.5, "prefill_s": 1.0}})
    process = lem.start("experiment", file)
    try:
        lines = wait_for(lambda: child_commands(lem))
    finally:
        process.terminate()
        stdout, stderr = process.communicate(timeout=TIMEOUT_S)
    assert any("launcher" in line for line in lines)
    assert not leaks("\n".join(lines) + stdout + stderr)


def child_commands(lem: Lem) -> list[str]:
    return [" ".join(process.cmdline()) for process in lem.processes()]


@pytest.mark.parametrize(
    "command",
    [
        ("config", "show"),
        ("--json", "config", "show"),
        ("-vv", "config", "validate"),
        ("experiment", "--dry-run"),
    ],
    ids=" ".join,
)
def test_what_shows_a_config_shows_none(lem: Lem, place: str, command: tuple[str, ...]) -> None:
    done = lem(*command, lem.write(ECHO))
    assert done.returncode == 0, done.stderr
    # The unknown variable is named, its value is not.
    assert "LEM_WEBHOOK_URL" in done.stderr
    nothing_leaked(lem, done)


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
def test_the_doctor_tells_none(lem: Lem, place: str, form: tuple[str, ...]) -> None:
    nothing_leaked(lem, lem(*form, "-vv", "doctor"))


def test_a_wrong_config_quotes_none(lem: Lem, place: str) -> None:
    nothing_leaked(lem, lem("experiment", lem.write({**ECHO, "notifications": {"a": 1}})))


# A hub that fails, and repeats in its error what it was sent.


class Parrot(BaseHTTPRequestHandler):
    """Answers every request with a status, and the request's own headers and path."""

    status = 500
    heard: list[str] = []  # noqa: RUF012 - one server a test

    def do_GET(self) -> None:
        said = f"{self.path}\n{self.headers}"
        type(self).heard.append(said)
        body = json.dumps({"error": said}).encode()
        self.send_response(self.status)
        self.send_header("X-Error-Message", said.replace("\r", " ").replace("\n", " "))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if self.command != "HEAD" else b"")

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def parrot(status: int) -> Iterator[tuple[int, list[str]]]:
    handler = type("Handler", (Parrot,), {"status": status, "heard": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1], handler.heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("user", "sent"), [("", TOKEN), (f"user:{PASSWORD}@", BASIC)], ids=["token", "password"]
)
@pytest.mark.parametrize("status", [401, 500])
@pytest.mark.parametrize("of", ["model", "dataset"])
def test_a_failing_hub_learns_them_and_nobody_else(
    lem: Lem, user: str, sent: str, status: int, of: str
) -> None:
    config = {**PYTORCH, "model_name": "owner/name"}
    if of == "dataset":
        config = {**ECHO, "prompts": {"type": "huggingface", "dataset": "owner/name"}}
    with parrot(status) as (port, heard):
        done = lem(
            "-vv",
            "experiment",
            lem.write(config),
            **VARIABLES,
            HF_HUB_OFFLINE="0",
            HF_ENDPOINT=f"http://{user}127.0.0.1:{port}",
            HF_HOME=str(lem.folder / "hf"),
        )
    assert done.returncode in (1, 2), done.stderr
    # Otherwise the test would prove nothing.
    assert any(sent in text for text in heard)
    nothing_leaked(lem, done)
