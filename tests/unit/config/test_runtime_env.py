from __future__ import annotations

from pathlib import Path

import pytest

from llenergymeasure.config.runtime_env import powercap_root


@pytest.mark.parametrize(
    ("option", "env", "root"),
    [
        (None, {}, "/sys/class/powercap"),
        (None, {"LEM_POWERCAP_ROOT": ""}, "/sys/class/powercap"),
        (None, {"LEM_POWERCAP_ROOT": "/a"}, "/a"),
        ("/b", {"LEM_POWERCAP_ROOT": "/a"}, "/b"),
    ],
)
def test_the_counters_may_be_elsewhere(option: str | None, env: dict[str, str], root: str) -> None:
    assert powercap_root(option, env) == Path(root)
