"""SVG as text: elements, escaped strings, and how wide a string will be without a browser to ask."""

from __future__ import annotations

import unicodedata
from html import escape
from typing import NewType

from components.report.wording import clean, typeset

Svg = NewType("Svg", str)
"""Markup that is already escaped. Plain `str` never enters an element unescaped."""

# Advance widths in em, close to DejaVu Sans, the widest of the fonts the page may fall back to: a label that
# fits by this table fits everywhere.
_WIDTHS = dict.fromkeys("ijlI|.,:;'! ", 0.34) | dict.fromkeys('frt()[]-/−"', 0.42) | dict.fromkeys("mwMW@%—", 0.95)


def literal(text: str) -> Svg:
    """Text made safe inside an element."""
    return Svg(escape(typeset(clean(text)), quote=False))


def _attribute(value: str | float | int) -> str:
    if isinstance(value, float):
        return f"{round(value, 2) + 0.0:g}"
    return escape(clean(str(value)), quote=True)


def element(tag: str, *children: Svg, **attributes: str | float | int | None) -> Svg:
    """An element; `_` in attribute names becomes `-`, a trailing `_` is dropped, None leaves the attribute out."""
    pairs = (
        f' {name.rstrip("_").replace("_", "-")}="{_attribute(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    opening = f"<{tag}{''.join(pairs)}"
    return Svg(f"{opening}>{''.join(children)}</{tag}>" if children else f"{opening}/>")


def group(*children: Svg, **attributes: str | float | int | None) -> Svg:
    """A `<g>`, or nothing when it would be empty."""
    return element("g", *children, **attributes) if any(children) else Svg("")


def title(text: str) -> Svg:
    """A tooltip, and the accessible name of the element that holds it."""
    return element("title", literal(text))


def text(x: float, y: float, content: str, class_: str = "", *, anchor: str = "start", full: str = "") -> Svg:
    """A line of text; `full` is shown on hover when `content` had to be shortened."""
    parts = [literal(content)] + ([title(full)] if full and full != content else [])
    return element("text", *parts, x=x, y=y, class_=class_ or None, text_anchor=None if anchor == "start" else anchor)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Svg:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def rect(x: float, y: float, width: float, height: float, class_: str, *, rx: float | None = None) -> Svg:
    """A rectangle; a width below zero draws nothing."""
    return element("rect", x=x, y=y, width=max(width, 0.0), height=height, rx=rx, class_=class_)


def text_width(content: str, size: float) -> float:
    """A safe upper estimate of a string's width in pixels."""
    return size * sum(_advance(char) for char in content)


def _advance(char: str) -> float:
    if char in _WIDTHS:
        return _WIDTHS[char]
    if unicodedata.combining(char):
        return 0.0
    if unicodedata.east_asian_width(char) in "WF":
        return 1.0
    return 0.72 if char.isupper() else 0.62


def fit(content: str, width: float, size: float) -> str:
    """The string, cut with an ellipsis where it would be wider than `width`."""
    if text_width(content, size) <= width:
        return content
    room = width - size  # the ellipsis itself
    kept = ""
    for char in content:
        room -= size * _advance(char)
        if room < 0:
            break
        kept += char
    return kept.rstrip() + "…"


def wrap(content: str, width: float, size: float, lines: int = 2) -> list[str]:
    """Up to `lines` lines, broken at spaces, hyphens or underscores where possible; the last one is cut to fit."""
    out: list[str] = []
    rest = content.strip()
    while rest and len(out) < lines - 1 and text_width(rest, size) > width:
        cut = len(fit(rest, width + size, size).removesuffix("…"))
        breaks = [i + 1 for i, char in enumerate(rest[:cut]) if char in " -_/:."]
        at = breaks[-1] if breaks and breaks[-1] > cut // 3 else cut
        out.append(rest[:at].rstrip())
        rest = rest[at:].lstrip()
    return [*out, fit(rest, width, size)]
