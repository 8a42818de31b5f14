"""Bars of bad debt and of what borrowers pay, crash by crash, as SVG.

Lengths are square roots, so that small figures can be seen beside large ones; each bar has its
figure. It needs nothing else and follows the reader's light or dark scheme.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from breakwater.economics.results import Result

_LEFT, _PANEL, _GAP, _BAR, _SPACE = 210, 400, 80, 16, 34
_TOP = 84
_COLORS = ("#2f6fb0", "#8fb8de", "#b4541a", "#6b4fa0", "#3c8a5c", "#8a7a3c", "#7a7a7a", "#b0306a")
_STYLE = """
.bw { --ink: #1b2430; --soft: #5a6675; --card: #ffffff; }
@media (prefers-color-scheme: dark) { .bw { --ink: #e6eaef; --soft: #9aa6b4; --card: #1a2028; } }
.bw text { fill: var(--soft); font: 12px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
.bw text.head { fill: var(--ink); font-size: 14px; font-weight: 600; }
"""


def svg(results: Sequence[Result]) -> str:
    """The picture of results that are in order of their crashes."""
    crashes = list(dict.fromkeys(one.crash for one in results))
    titles = list(dict.fromkeys(one.title for one in results))
    colors = {title: _COLORS[i % len(_COLORS)] for i, title in enumerate(titles)}
    width = _LEFT + 2 * _PANEL + _GAP + 40
    parts: list[str] = []
    _legend(parts, colors)
    panels = (
        ("bad debt, bps (length: square root)", [one.bps(one.bad_debt) for one in results]),
        ("borrowers pay, bps (length: square root)", [one.bps(one.incentive) for one in results]),
    )
    y = _TOP
    for number, (title, values) in enumerate(panels):
        x = _LEFT + number * (_PANEL + _GAP)
        parts.append(f'<text class="head" x="{x}" y="{_TOP - 16}">{escape(title)}</text>')
        y = _TOP
        for crash in crashes:
            pairs = [(o, v) for o, v in zip(results, values, strict=True) if o.crash == crash]
            if number == 0:
                middle = y + len(pairs) * _BAR / 2 + 4
                parts.append(
                    f'<text x="{_LEFT - 12}" y="{middle:.0f}" text-anchor="end">'
                    f"{escape(_short(crash))}</text>"
                )
            for one, value in pairs:
                _bar(parts, x, y, value, max(values), colors[one.title])
                y += _BAR
            y += _SPACE - _BAR
    height = y + 10
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="bw" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" role="img" aria-label="Bad debt and incentives">\n'
        f'<style>{_STYLE}</style>\n<rect width="{width}" height="{height}" fill="var(--card)"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _short(text: str) -> str:
    return text if len(text) <= 28 else text[:27] + "…"


def _legend(parts: list[str], colors: dict[str, str]) -> None:
    x = 16
    for title, color in colors.items():
        parts.append(f'<rect x="{x}" y="18" width="12" height="12" fill="{color}"/>')
        parts.append(f'<text x="{x + 18}" y="28">{escape(title)}</text>')
        x += 40 + 7 * len(title)


def _bar(parts: list[str], x: float, y: float, value: float, most: float, color: str) -> None:
    length = (_PANEL - 50) * math.sqrt(max(value, 0.0) / most) if most > 0 else 0.0
    parts.append(
        f'<rect x="{x}" y="{y + 2}" width="{max(length, 1):.1f}" height="{_BAR - 4}"'
        f' fill="{color}"/>'
    )
    parts.append(f'<text x="{x + max(length, 1) + 6:.1f}" y="{y + 12}">{value:.1f}</text>')
