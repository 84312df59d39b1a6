"""The commands of the guides, run as they stand on the page.

A block of ``yaml``, ``python`` or ``toml`` whose first line is a comment with a file's name is
written into that file; a ``literalinclude`` with a caption is copied; a block of ``sh`` is run.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
GUIDES = sorted(file.name for file in (DOCS / "guides").glob("*.md"))
PAGES = [*(f"guides/{name}" for name in GUIDES), "results.md"]
TIMEOUT_S = 240

_BLOCK = re.compile(r"^```(\{literalinclude\} )?(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"^# (\S+\.(?:yaml|py|toml))\n")
_CAPTION = re.compile(r"^:caption: (\S+)$", re.MULTILINE)


def _write(folder: Path, name: str, content: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content, encoding="utf-8")


def _run(folder: Path, script: str) -> None:
    site = folder / "site"
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        # pip installs for this page only; nothing is asked of an index.
        "PIP_TARGET": str(site),
        "PIP_NO_INDEX": "1",
        "PYTHONPATH": str(site),
        # On a busy machine times never settle.
        "LEM_WARMUP__MAX_DURATION_S": "2",
    }
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"


@pytest.mark.timeout(2 * TIMEOUT_S)
@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_work_as_they_stand(page: str, tmp_path: Path) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    ran = 0
    for match in _BLOCK.finditer(text):
        included, language, body = match.groups()
        if included:
            caption = _CAPTION.search(body)
            if caption is not None:
                _write(tmp_path, caption[1], (DOCS / page).parent.joinpath(language).read_text())
        elif language == "sh":
            _run(tmp_path, body)
            ran += 1
        elif (named := _FILE.match(body)) is not None:
            _write(tmp_path, named[1], body)
    assert ran > 0


def test_every_question_of_the_entry_page_leads_to_a_page() -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([a-z0-9_/-]+\.md)\)", index)
    assert {f"guides/{name}" for name in GUIDES} <= set(links)
    assert [link for link in links if not (DOCS / link).exists()] == []
