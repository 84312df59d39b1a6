from __future__ import annotations

import json
import re
import sys
from typing import Any
from xml.etree import ElementTree

import pytest

from llenergymeasure.domain.samples import SampleSeries
from llenergymeasure.exceptions import RunError
from llenergymeasure.results.plots.chart import axis_title, chart
from llenergymeasure.results.plots.render import render_chart
from llenergymeasure.results.plots.tracks import Track


def track(
    device: str = "gpu:0",
    quantity: str = "power_w",
    *,
    cycle: int = 1,
    process: int = 0,
    origin: str | None = None,
    samples: int = 5,
) -> Track:
    times_ns = [100_000_000 * i for i in range(samples)]
    values = [float(i % 7) for i in range(samples)]
    return Track(cycle, process, 0, SampleSeries(device, quantity, times_ns, values), origin)


def lines(tracks: list[Track]) -> list[str]:
    panel = chart(tracks, "t")["vconcat"][0]
    domain: list[str] = panel["encoding"]["color"]["scale"]["domain"]
    assert {point["line"] for point in panel["data"]["values"]} <= set(domain)
    return domain


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ("power_w", "power (W)"),
        ("throttle_reasons", "throttle reasons (bits)"),
        ("fan_speed_percent", "fan speed (%)"),
        ("pump_power_w", "pump power (W)"),
        ("cache_bytes", "cache (bytes)"),
        ("odd", "odd"),
        ("cpu_percent", "CPU use of the measured processes (% of all CPUs)"),
    ],
)
def test_axes_say_what_they_show_with_its_unit(quantity: str, expected: str) -> None:
    assert axis_title(quantity) == expected


def test_a_panel_a_quantity_in_a_fixed_order() -> None:
    names = ["zebra", "temperature_c", "energy_j", "power_w", "sm_percent"]
    panels = chart([track(quantity=name) for name in names], "t")["vconcat"]
    titles = [panel["encoding"]["y"]["title"] for panel in panels]
    busy = ["GPU busy, with any", "kernel", "(% of time)"]
    assert titles == ["power (W)", "energy (J)", busy, "temperature (°C)", "zebra"]
    assert [panel["encoding"]["x"]["title"] for panel in panels][:-1] == [None] * 4
    assert panels[-1]["encoding"]["x"]["title"] == "time since the window's start (s)"


def test_lines_are_named_by_what_tells_them_apart() -> None:
    assert lines([track("gpu:0"), track("gpu:1")]) == ["gpu:0", "gpu:1"]
    assert lines([track(cycle=1), track(cycle=2)]) == ["gpu:0 cycle 1", "gpu:0 cycle 2"]
    assert lines([track(process=0), track(process=1)]) == ["gpu:0 process 0", "gpu:0 process 1"]
    assert lines([track("cpu:0", origin="estimated")]) == ["cpu:0 (estimated)"]


def test_what_was_not_measured_stands_in_the_title() -> None:
    def title(*tracks: Track) -> Any:
        return chart(list(tracks), "run")["title"]["text"]

    assert title(track()) == "run"
    assert title(track(origin="replayed")) == "run (replayed)"
    assert title(track("cpu", origin="estimated"), track("ram", origin="estimated")) == (
        "run (estimated)"
    )
    mixed = (track("gpu:0"), track("cpu", origin="estimated"), track("ram", origin="estimated"))
    assert title(*mixed) == "run (cpu estimated, ram estimated)"
    requests = track("requests", "requests_in_flight")
    assert title(track(origin="replayed"), requests) == "run (replayed)"


def test_long_series_are_thinned() -> None:
    panel = chart([track(samples=50_000)], "t")["vconcat"][0]
    assert len(panel["data"]["values"]) <= 1602


HOSTILE = '</script><script>alert("1")</script> & "quotes" <b>'


@pytest.fixture(scope="module")
def hostile() -> dict[str, Any]:
    return chart([track(HOSTILE), track("gpu:1"), track("gpu:1", "energy_j")], HOSTILE)


def test_a_png_is_one_of_a_sane_size(hostile: dict[str, Any]) -> None:
    png = render_chart(hostile, "png")
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = (int.from_bytes(png[at : at + 4]) for at in (16, 20))
    assert 1600 < width < 4000
    assert 600 < height < 2000


def test_an_svg_is_xml_with_the_axis_titles(hostile: dict[str, Any]) -> None:
    root = ElementTree.fromstring(render_chart(hostile, "svg"))
    texts = {"".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"power (W)", "energy (J)", "time since the window's start (s)", "gpu:1"} <= texts
    assert any("alert" in text for text in texts)


def test_a_pdf_is_one_of_one_page_with_text_in_it(hostile: dict[str, Any]) -> None:
    pdf = render_chart(hostile, "pdf")
    assert pdf.startswith(b"%PDF-1.")
    assert pdf.rstrip().endswith(b"%%EOF")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1
    assert b"/Font" in pdf


def test_a_page_needs_nothing_from_elsewhere_and_runs_no_foreign_script(
    hostile: dict[str, Any],
) -> None:
    page = render_chart(hostile, "html").decode()
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    # The libraries, and the call that draws; a name that held another one is text.
    assert page.count("<script") == len(scripts) == 2
    assert "alert" not in scripts[0]
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=[\"']?https?:", page)
    drawn = scripts[1][scripts[1].index("{") :]
    assert json.JSONDecoder().raw_decode(drawn)[0] == json.loads(json.dumps(hostile))


def test_other_formats_are_refused(hostile: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="none of png, svg, pdf, html"):
        render_chart(hostile, "gif")


def test_a_missing_library_is_told(
    hostile: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(RunError, match="vl-convert-python") as caught:
        render_chart(hostile, "png")
    assert "pip install" in str(caught.value.hint)


def test_axes_begin_at_zero_where_that_means_something() -> None:
    def scale(quantity: str, values: list[float]) -> Any:
        times_ns = list(range(len(values)))
        one = Track(1, 0, 0, SampleSeries("gpu:0", quantity, times_ns, values))
        return chart([one], "t")["vconcat"][0]["encoding"]["y"]["scale"]

    assert scale("power_w", [300.0, 200.0])["domain"] == [0, pytest.approx(315)]
    assert scale("sm_percent", [0.0])["domain"] == [0, 1]
    assert scale("power_w", [-1.0, 2.0]) == {"zero": True}
    assert scale("temperature_c", [40.0, 50.0]) == {"zero": False}
