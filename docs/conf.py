"""Sphinx builds the site from the Markdown in this folder: `make docs`."""

project = "llenergymeasure"
author = "The llenergymeasure developers"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "llenergymeasure"
myst_heading_anchors = 3
# Everything is local: the site must build and read without a network.
html_show_sphinx = False
