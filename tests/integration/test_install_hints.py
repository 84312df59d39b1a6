"""What we tell people to install: the package itself, in the range that was tested.

Never our own name: on the public index an unrelated package bears it.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from llenergymeasure.config.registry import Registered, list_registered
from llenergymeasure.constants import ENERGY_BACKENDS_GROUP, INFERENCE_BACKENDS_GROUP

ROOT = Path(__file__).parents[2]
READ = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile")),
    *(
        path
        for folder in ("src", "docs", "scripts", "benchmarks", "configs", ".ci", "tests/plugins")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in (".py", ".md", ".yaml", ".toml", ".txt", ".sh", ".jinja", ".html", ".css")
    ),
]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
DECLARED = {
    requirement.name: requirement.specifier
    for text in (
        *PROJECT["dependencies"],
        *(text for extra in PROJECT["optional-dependencies"].values() for text in extra),
    )
    for requirement in [Requirement(text)]
}
INSTALL = re.compile(r"(?:pip3?|pipx|uv|poetry|conda|mamba)(?: pip)? (?:install|add)\b([^`\n;]*)")
OURS = re.compile(r"(?<![\w./-])llenergymeasure(?:\[|\s*$|['\"\s,])")


def sends_to_our_name(text: str) -> bool:
    """Whether a command that installs names us, also where it goes on in the next line."""
    joined = re.sub(r"\\?\n\s*['\"]?", " ", text)
    commands = (match[1].split(". ")[0][:120] for match in INSTALL.finditer(joined))
    return "llenergymeasure[" in text or any(OURS.search(command) for command in commands)


def requirements(text: str) -> list[str]:
    """What the commands in a text install, without options and local folders."""
    found = []
    for match in INSTALL.finditer(text):
        command = match[1].split(", which")[0]
        for quoted, bare in re.findall(r"'([^']+)'|([\w.\[\]-]+(?:[<>=~!]=?[\w.,<>=]+)?)", command):
            found.append(quoted or bare)
    return found


def test_no_text_sends_anybody_to_our_name_on_the_index() -> None:
    assert len(READ) > 300
    assert not [str(path) for path in READ if sends_to_our_name(path.read_text("utf-8"))]


@pytest.mark.parametrize(
    "text",
    [
        "pip install llenergymeasure",
        "reinstall with: pip install --force-reinstall llenergymeasure",
        "pip install 'llenergymeasure[zeus]'",
        "install the extra llenergymeasure[zeus]",
        "uv pip install -U llenergymeasure\n",
        'hint="pip install --upgrade "\n        "llenergymeasure"',
        "pip install \\\n  llenergymeasure",
    ],
)
def test_the_check_finds_our_name(text: str) -> None:
    assert sends_to_our_name(text)


@pytest.mark.parametrize("group", [INFERENCE_BACKENDS_GROUP, ENERGY_BACKENDS_GROUP])
def test_hints_of_backends_name_packages_in_the_tested_range(group: str) -> None:
    for name, entry in list_registered(group).items():
        assert isinstance(entry, Registered)
        spec = entry.spec
        if entry.distribution != "llenergymeasure" or not spec.requires:
            continue
        assert spec.install_hint, name
        if "/opt/rocm" in spec.install_hint:
            continue
        told = [Requirement(text) for text in requirements(spec.install_hint)]
        assert len(told) >= len(spec.requires), name
        for requirement in told:
            assert requirement.specifier == DECLARED[requirement.name], name


def test_every_package_that_a_source_text_names_is_declared_with_its_range() -> None:
    checked = 0
    for path in (ROOT / "src").rglob("*.py"):
        for text in re.findall(r"pip install ((?:'[^']+' ?)+|[\w.-]+)", path.read_text("utf-8")):
            for part in re.findall(r"'([^']+)'|^([\w.-]+)$", text):
                requirement = Requirement(part[0] or part[1])
                assert requirement.specifier == DECLARED[requirement.name], path
                assert str(requirement.specifier), path
                checked += 1
    assert checked > 5
