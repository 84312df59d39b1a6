"""The structure of ``src`` as numbers: files per folder, circles, small modules with one importer.

python scripts/structure.py [ROOT]     ROOT: the checkout to measure; this one by default
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

PACKAGE = "llenergymeasure"
# From the highest layer to the lowest; those on one line do not know each other.
LAYERS = (
    ("cli",),
    ("orchestration",),
    ("core", "results", "state", "notifications"),
    ("config",),
    ("domain",),
    ("logging", "security", "resilience", "progress", "durable"),
    ("exceptions",),
    ("constants",),
)
SMALL_LINES = 80
# Endings that are no participles although they look like one.
_NO_PARTICIPLES = {"need", "seed", "feed", "embed", "speed", "exceed", "proceed", "shed"}
_IRREGULAR = {
    *("begun", "bound", "broken", "built", "chosen", "drawn", "found", "given", "gone", "held"),
    *("hidden", "kept", "known", "lost", "made", "said", "seen", "sent", "shown", "spent"),
    *("taken", "thrown", "told", "worn", "written"),
}


def read_modules(source: Path) -> dict[str, Path]:
    """Every module by its dotted name."""
    found = {}
    for path in sorted(source.rglob("*.py")):
        parts = path.relative_to(source.parent).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


def read_imports(modules: Mapping[str, Path]) -> dict[str, set[str]]:
    """What each module imports of the package, also within functions."""
    return {name: set(_imports(name, path, modules)) for name, path in modules.items()}


def _imports(name: str, path: Path, modules: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                target = inner if inner in modules else node.module
                if target in modules and target != name:
                    yield target
        elif isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name in modules and a.name != name)


def find_circles(imports: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import one another (Tarjan's strongly connected components)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    circles: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in sorted(imports[node]):
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            group = []
            while not group or group[-1] != node:
                group.append(stack.pop())
            if len(group) > 1:
                circles.append(sorted(group))

    for node in imports:
        if node not in index:
            visit(node)
    return circles


def find_upward(imports: Mapping[str, set[str]]) -> list[tuple[str, str]]:
    """Imports that go up, or sideways between rooms that do not know each other."""
    rank = {room: place for place, rooms in enumerate(LAYERS) for room in rooms}
    wrong = []
    for name, targets in imports.items():
        for target in targets:
            here, there = _room(name), _room(target)
            if here == there or here not in rank or there not in rank:
                continue
            if rank[there] <= rank[here]:
                wrong.append((name, target))
    return sorted(wrong)


def _room(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def list_functions(path: Path) -> Iterator[str]:
    """Names of functions and methods, properties left out: they are nouns."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            decorators = " ".join(map(ast.unparse, node.decorator_list))
            if "property" not in decorators and not node.name.startswith("__"):
                yield node.name


def is_participle(name: str) -> bool:
    """Whether a function's name begins like a state (``started``) and not like a deed."""
    first = name.lstrip("_").split("_")[0]
    regular = first.endswith("ed") and first not in _NO_PARTICIPLES
    return regular or first in _IRREGULAR


def main(root: Path) -> None:
    source = root / "src" / PACKAGE
    modules = read_modules(source)
    imports = read_imports(modules)
    real = {name: path for name, path in modules.items() if path.name != "__init__.py"}
    folders = Counter(str(path.parent.relative_to(source)) for path in real.values())
    print(f"modules: {len(real)} in {len(folders)} folders")
    print("largest folders:", ", ".join(f"{f} {n}" for f, n in folders.most_common(8)))
    print(f"imports up: {len(find_upward(imports))}")
    for pair in find_upward(imports):
        print("  ", *pair)
    circles = find_circles(imports)
    print(f"circles: {len(circles)}")
    for circle in circles:
        print("  ", *circle)
    importers = Counter(target for targets in imports.values() for target in targets)
    lone = [
        name
        for name, path in real.items()
        if importers[name] == 1 and len(path.read_text(encoding="utf-8").splitlines()) < SMALL_LINES
    ]
    print(f"modules with one importer under {SMALL_LINES} lines: {len(lone)}")
    print("  ", *(name.removeprefix(f"{PACKAGE}.") for name in lone))
    names = [name for path in modules.values() for name in list_functions(path)]
    participles = sorted({name for name in names if is_participle(name)})
    count = sum(map(is_participle, names))
    print(f"functions: {len(names)}, named by a participle: {count} ({count / len(names):.1%})")
    print("  ", *participles)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[1])
