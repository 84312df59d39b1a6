"""The map of the code names every folder; general code names no engine."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import re
from pathlib import Path

import pytest

from llenergymeasure.config.backend_configs import ECHO, PYTORCH
from llenergymeasure.config.backend_spec import Capabilities

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "llenergymeasure"
MAP = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

_SPEC = importlib.util.spec_from_file_location("structure", ROOT / "scripts" / "structure.py")
assert _SPEC is not None and _SPEC.loader is not None
structure = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(structure)


def _folders() -> list[str]:
    files = SOURCE.rglob("__init__.py")
    return sorted(f"{file.parent.relative_to(SOURCE)}/" for file in files if file.parent != SOURCE)


@pytest.mark.parametrize("folder", _folders())
def test_the_map_says_what_belongs_in_every_folder(folder: str) -> None:
    assert re.search(rf"^\| `{re.escape(folder)}` \| \S", MAP, re.MULTILINE)


def test_every_path_on_the_map_is_there() -> None:
    paths = set(re.findall(r"`([a-z_]+(?:/[a-z_]+)*(?:\.py|/))`", MAP))
    assert len(paths) > 60
    assert [path for path in sorted(paths) if not (SOURCE / path).exists()] == []


def test_every_folder_of_modules_is_a_package() -> None:
    bare = {
        file.parent
        for file in SOURCE.rglob("*.py")
        if not (file.parent / "__init__.py").exists() and "__pycache__" not in file.parts
    }
    assert bare == set()


def test_no_module_imports_upward_or_in_a_circle() -> None:
    imports = structure.read_imports(structure.read_modules(SOURCE))
    assert structure.find_upward(imports) == []
    assert structure.find_circles(imports) == []


def test_few_functions_are_named_by_a_participle() -> None:
    names = [
        name
        for path in structure.read_modules(SOURCE).values()
        for name in structure.list_functions(path)
    ]
    participles = [name for name in names if structure.is_participle(name)]
    assert len(participles) / len(names) < 0.025, sorted(set(participles))


# Where an engine may be called by its name: its own package, its spec, the default, presets for it.
NAMES_ENGINES = (
    "config/backend_configs.py",
    "config/presets.py",
    "constants.py",
    "core/inference_backends/",
)


def test_general_code_names_no_engine() -> None:
    engines = {PYTORCH.name, ECHO.name}
    found = [
        f"{path.relative_to(SOURCE)}:{node.lineno}"
        for path in SOURCE.rglob("*.py")
        if not str(path.relative_to(SOURCE)).startswith(NAMES_ENGINES)
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and node.value in engines
    ]
    assert found == []


def test_what_an_engine_says_it_can_do_is_read_by_somebody() -> None:
    text = "\n".join(path.read_text("utf-8") for path in SOURCE.rglob("*.py"))
    fields = [field.name for field in dataclasses.fields(Capabilities)]
    assert [name for name in fields if f"capabilities.{name}" not in text] == []
