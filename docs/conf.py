"""How the documentation is built: Markdown by MyST, strictly, without anything from the network."""

from __future__ import annotations

import tomllib
from pathlib import Path

project = "drctl"
author = "the drctl maintainers"
with (Path(__file__).parent.parent / "pyproject.toml").open("rb") as file:
    release = version = tomllib.load(file)["project"]["version"]

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = "index"
exclude_patterns: list[str] = []
myst_heading_anchors = 3
html_theme = "alabaster"
html_theme_options = {"description": project, "fixed_sidebar": True, "page_width": "1100px"}
html_copy_source = False
