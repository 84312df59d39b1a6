"""A model hub on localhost: as much of its HTTP interface as a download needs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OWNER_MODEL = "owner/model"


@dataclass
class Hub:
    """What it has, how it refuses, and what it was asked.

    ``breaks`` names files whose first sending ends in the middle; ``ranges`` are the parts that
    were asked for later.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    revisions: tuple[str, ...] = ("main", "v1", COMMIT)
    refuse_info: tuple[int, dict[str, str]] | None = None
    refuse_files: tuple[int, dict[str, str]] | None = None
    silent: bool = False
    kind: str = "model"
    breaks: set[str] = field(default_factory=set)
    ranges: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)
    url: str = ""
    release: threading.Event = field(default_factory=threading.Event)

    @property
    def api(self) -> str:
        """Path of what is known of the repository."""
        return f"/api/{self.kind}s/{OWNER_MODEL}"

    @property
    def resolve(self) -> str:
        """Path of its files."""
        folder = "" if self.kind == "model" else f"/{self.kind}s"
        return f"{folder}/{OWNER_MODEL}/resolve/{COMMIT}/"

    def fetched(self) -> set[str]:
        """Names of the files that were downloaded."""
        return {path.split(f"/{COMMIT}/")[1] for path in self.paths if "/resolve/" in path}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> Hub:
        return self.server.hub  # type: ignore[attr-defined]

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = self.path.split("?")[0]
        self.hub.paths.append(path)
        self.hub.tokens.add(self.headers.get("Authorization"))
        if self.hub.silent:
            self.hub.release.wait(30)
        if path.startswith(self.hub.resolve):
            self._file(path.split(f"/{COMMIT}/")[1])
        elif self.hub.refuse_info:
            self._send(*self.hub.refuse_info)
        elif path.startswith(f"{self.hub.api}/tree/"):
            self._json([_entry(name, data) for name, data in self.hub.files.items()])
        elif path.startswith(self.hub.api):
            self._info(path)
        else:
            self._send(404, {"X-Error-Code": "RepoNotFound"})

    def _info(self, path: str) -> None:
        revision = path.partition("/revision/")[2] or "main"
        if revision not in self.hub.revisions:
            return self._send(404, {"X-Error-Code": "RevisionNotFound"})
        siblings = [{"rfilename": name} for name in self.hub.files]
        self._json({"id": OWNER_MODEL, "modelId": OWNER_MODEL, "sha": COMMIT, "siblings": siblings})
        return None

    def _file(self, name: str) -> None:
        if self.hub.refuse_files:
            return self._send(*self.hub.refuse_files)
        data = self.hub.files[name]
        headers = {"ETag": f'"{_blob_id(data)}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        asked = self.headers.get("Range", "")
        start = int(asked.removeprefix("bytes=").partition("-")[0] or 0) if asked else 0
        if start:
            self.hub.ranges.append(asked)
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self._send(206, headers, data[start:])
        elif self.command == "GET" and name in self.hub.breaks:
            self.hub.breaks.remove(name)
            self._send(200, headers, data, sent=len(data) // 2)
        else:
            self._send(200, headers, data)
        return None

    def _json(self, content: object) -> None:
        self._send(200, {"Content-Type": "application/json"}, json.dumps(content).encode())

    def _send(
        self, status: int, headers: dict[str, str], body: bytes = b"", sent: int | None = None
    ) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:sent])
        if sent is not None:
            self.close_connection = True


def _blob_id(data: bytes) -> str:
    return sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _entry(name: str, data: bytes) -> dict[str, object]:
    return {"type": "file", "path": name, "size": len(data), "oid": _blob_id(data)}


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    """Serve it on a free port of localhost."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.hub = hub  # type: ignore[attr-defined]
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.release.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
