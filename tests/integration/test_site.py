"""The documentation's site builds without a warning, and asks nothing of the network."""

import re
import subprocess
import sys
from urllib.parse import unquote

import pytest

from breakwater import artifacts

ROOT = artifacts.ROOT
FETCHED = re.compile(r'<(?:script|img|link|iframe|source)\b[^>]*?(?:src|href)="([^"]+)"')
LINK = re.compile(r'<a\b[^>]*?href="([^"#?]+)')


@pytest.mark.slow
def test_site__builds_and_every_link_within_leads_somewhere(tmp_path):
    site = tmp_path / "site"
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", "docs"]
    done = subprocess.run(
        [*command, "-d", str(tmp_path / "doctrees"), ".", str(site)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    pages = sorted(site.rglob("*.html"))
    assert {"README.html", "index.html", "docs/design.html", "docs/reference/Lens.html"} <= {
        path.relative_to(site).as_posix() for path in pages
    }
    for page in pages:
        text = page.read_text(encoding="utf-8")
        fetched = [part for part in FETCHED.findall(text) if not part.startswith("#")]
        assert not [part for part in fetched if re.match(r"(https?:)?//", part)], page
        for target in [*fetched, *LINK.findall(text)]:
            if re.match(r"[a-z]+:", target):
                continue
            path = page.parent / unquote(target.split("?")[0])
            assert path.resolve().exists(), f"{page.relative_to(site)} links to {target}"
