from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

# A plain helper of several rooms; importlib mode puts no test folder on sys.path.
_SPEC = importlib.util.spec_from_file_location(
    "idle_source", Path(__file__).with_name("idle_source.py")
)
assert _SPEC is not None
assert _SPEC.loader is not None
idle_source = importlib.util.module_from_spec(_SPEC)
sys.modules["idle_source"] = idle_source
_SPEC.loader.exec_module(idle_source)
