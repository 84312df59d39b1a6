"""Whether this process runs in a container. States facts; decides nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def is_inside_docker(root: Path = Path("/"), env: Mapping[str, str] = os.environ) -> bool:
    """Whether Docker, podman or another container engine started this process."""
    marks = (root / ".dockerenv", root / "run" / ".containerenv")
    if env.get("container") or any(mark.exists() for mark in marks):
        return True
    try:
        cgroup = (root / "proc" / "1" / "cgroup").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return any(word in cgroup for word in ("docker", "containerd", "libpod", "kubepods"))
