"""The documentation as a site: `make docs`.

The source folder is the project's root: README and the pages below docs/ and tests/ stay what they
are, and so do the links between them. Nothing is fetched, neither here nor by who reads.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from breakwater import __version__, reference  # noqa: E402

project = "Breakwater"
version = release = __version__
extensions = ["myst_parser"]
root_doc = "README"
include_patterns = [
    "README.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "docs/**/*.md",
    "docs/*.md",
    "tests/*/README.md",
]
exclude_patterns = [".*", "**/.*", "node_modules", "out", "broken", "build", "dist"]
myst_heading_anchors = 4

html_theme = "furo"
html_title = "Breakwater"
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_show_sourcelink = False
html_use_index = False
html_static_path = ["static"]
html_css_files = ["site.css"]
pygments_style = "friendly"
pygments_dark_style = "monokai"

_CONTENTS = """
```{toctree}
:hidden:
:caption: Tutorial

Start <docs/tutorial/README>
docs/tutorial/lender
docs/tutorial/borrower
docs/tutorial/trader
docs/tutorial/liquidator
docs/tutorial/guardian
docs/tutorial/owner
Timed transcript <docs/transcript>
```

```{toctree}
:hidden:
:caption: Protocol

Specification <docs/specification>
Decisions <docs/design>
docs/reference/index
```

```{toctree}
:hidden:
:caption: Laboratory

Fuzzing, replay, coverage, mutation <docs/laboratory>
Bad debt in past crashes <docs/economics>
Bands and breakers on past crashes <docs/breakers>
Keeper <docs/keeper>
Margin alerts <docs/watch>
tests/incidents/README
tests/planted/README
```

```{toctree}
:hidden:
:caption: Project

CHANGELOG
SECURITY
```
"""
_TO_README = '<!doctype html><meta http-equiv="refresh" content="0; url=README.html">\n'


def _add_contents(app: Sphinx, docname: str, source: list[str]) -> None:
    """README is read without the site too, where a table of contents would show as text."""
    if docname == root_doc:
        source[0] += _CONTENTS


def _add_index(app: Sphinx, failure: Exception | None) -> None:
    if failure is None and app.builder.name == "html":
        (Path(app.outdir) / "index.html").write_text(_TO_README, encoding="utf-8")


def setup(app: Sphinx) -> None:
    reference.write(ROOT / "docs" / "reference")
    app.connect("source-read", _add_contents)
    app.connect("build-finished", _add_index)
