from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

import llenergymeasure
from llenergymeasure.config.registry import list_registered
from llenergymeasure.constants import ENERGY_BACKENDS_GROUP
from llenergymeasure.core.energy_backends.rapl.reading import UDEV_FILE, UDEV_RULE
from llenergymeasure.domain.reason_texts import REASON_TEXTS
from llenergymeasure.domain.reason_texts.record import PROGRAM, RUN, TOTAL
from llenergymeasure.domain.validity import (
    Reason,
    ReasonCode,
    Severity,
    ValidityStatus,
    judge,
    severity,
)

ROOT = Path(__file__).resolve().parents[3]
SOURCES = Path(llenergymeasure.__file__).parent
STATUS_OF = {
    Severity.NOTE: ValidityStatus.VALID,
    Severity.DEGRADED: ValidityStatus.DEGRADED,
    Severity.INVALID: ValidityStatus.INVALID,
}


def raised() -> dict[str, set[str]]:
    """The names of codes that the code itself uses, with the files; texts do not count."""
    found: dict[str, set[str]] = {}
    for file in SOURCES.rglob("*.py"):
        if SOURCES / "domain" in file.parents:
            continue
        for name in re.findall(r"\bReasonCode\.([A-Z_]+)\b", file.read_text(encoding="utf-8")):
            found.setdefault(name, set()).add(file.name)
    return found


# Files of the energy backends that go by another name than their source.
NVML_PARTS = ("counter_window.py", "device_reading.py")


def sources_of(files: set[str]) -> set[str]:
    """The energy backends that a code's files belong to."""
    names = [name for name in list_registered(ENERGY_BACKENDS_GROUP) if name != "none"]
    of_files = {name for name in names for file in files if file.startswith(name)}
    return of_files | ({"nvml"} if files & set(NVML_PARTS) else set())


def test_every_code_has_a_text_and_no_text_is_without_a_code() -> None:
    assert set(REASON_TEXTS) == set(ReasonCode)


@pytest.mark.parametrize("code", ReasonCode)
def test_every_code_is_raised_somewhere(code: ReasonCode) -> None:
    assert code.name in raised(), f"nothing raises {code}: raise it or take it away"


@pytest.mark.parametrize("code", ReasonCode)
def test_a_severity_is_what_the_verdict_makes_of_it(code: ReasonCode) -> None:
    assert judge([Reason(code=code, detail="x")]).status is STATUS_OF[severity(code)]


@pytest.mark.parametrize("code", ReasonCode)
def test_a_text_is_whole_and_in_sentences(code: ReasonCode) -> None:
    text = REASON_TEXTS[code]
    assert not text.title.endswith(".")
    for paragraph in (text.meaning, text.harm, *text.remedy):
        prose, *commands = paragraph.split("\n")
        assert prose.endswith(":" if commands else ".")
        assert prose.count("`") % 2 == 0
        assert all(commands)
    assert text.remedy
    assert set(text.raised_by) <= {*list_registered(ENERGY_BACKENDS_GROUP), RUN, TOTAL, PROGRAM}


@pytest.mark.parametrize("code", ReasonCode)
def test_a_text_names_every_source_that_raises_the_code(code: ReasonCode) -> None:
    assert sources_of(raised()[code.name]) <= set(REASON_TEXTS[code].raised_by)


def test_the_remedy_for_closed_counters_is_that_of_the_finding() -> None:
    told = "\n".join(REASON_TEXTS[ReasonCode.RAPL_UNREADABLE].remedy)
    assert UDEV_RULE in told
    assert UDEV_FILE in told


def test_the_pages_are_those_of_the_codes() -> None:
    generated = runpy.run_path(str(ROOT / "scripts" / "generate_docs.py"))["generated"]()
    folder = ROOT / "docs" / "reasons"
    pages = {path: text for path, text in generated.items() if path.parent == folder}
    assert {path.stem for path in pages} == {*ReasonCode, "index"}
    assert set(folder.iterdir()) == set(pages)
    for path, text in pages.items():
        assert path.read_text(encoding="utf-8") == text
