"""A chart as a file: PNG, SVG, PDF, or an HTML page that needs nothing from anywhere else."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from llenergymeasure.exceptions import RunError

FORMS = ("png", "svg", "pdf", "html")

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<script>{libraries}</script>
</head>
<body>
<div id="chart"></div>
<script>
vegaEmbed("#chart", {chart}, {options}).catch(console.error);
</script>
</body>
</html>
"""
# No link to an editor elsewhere: it would send the data there.
_OPTIONS = {
    "renderer": "svg",
    "actions": {"export": True, "source": False, "compiled": False, "editor": False},
}
_SNIPPET = "window.vegaEmbed = vegaEmbed;"


def render_chart(chart: dict[str, Any], form: str) -> bytes:
    """The Vega-Lite ``chart`` as a file in one of ``FORMS``. Nothing is loaded from a network.

    Raises:
        RunError: The library that draws is not installed.
        ValueError: There is no such form.
    """
    try:
        import vl_convert
    except ImportError as error:
        raise RunError(
            f"plots need vl-convert-python, which cannot be imported: {error}",
            hint="pip install 'vl-convert-python>=1.9,<1.10', or write a .csv file",
        ) from error
    if form == "png":
        png: bytes = vl_convert.vegalite_to_png(chart, scale=2, allowed_base_urls=[])
        return png
    if form == "svg":
        svg: str = vl_convert.vegalite_to_svg(chart, allowed_base_urls=[])
        return svg.encode()
    if form == "pdf":
        pdf: bytes = vl_convert.vegalite_to_pdf(chart, allowed_base_urls=[])
        return pdf
    if form == "html":
        return _page(chart, vl_convert.javascript_bundle(_SNIPPET)).encode()
    raise ValueError(f"{form!r} is none of {', '.join(FORMS)}")


def _page(chart: dict[str, Any], libraries: str) -> str:
    return _PAGE.format(
        title=escape(chart["title"]["text"]),
        libraries=libraries,
        chart=_script_json(chart),
        options=_script_json(_OPTIONS),
    )


def _script_json(data: Any) -> str:
    # A name with </script> in it must not end the script.
    return json.dumps(data, allow_nan=False).replace("<", "\\u003c")
