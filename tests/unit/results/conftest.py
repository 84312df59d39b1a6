from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

# Plain helpers beside the tests; importlib mode puts no test folder on sys.path.
_SPEC = importlib.util.spec_from_file_location("records", Path(__file__).with_name("records.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
records = importlib.util.module_from_spec(_SPEC)
sys.modules["records"] = records
_SPEC.loader.exec_module(records)
