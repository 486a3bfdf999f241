"""Reads a page as its tests need it: tags, visible text, references, elements closed out of order, pictures."""

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

EMPTY_ICON = "data:,"
"""Keeps a browser from asking a server for an icon."""
VOID = {"meta", "link", "br", "hr", "img", "input", "line", "rect", "circle", "path", "polygon", "use"}


class Checker(HTMLParser):
    """Collects tags, visible text, references, and elements that are not closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.references: list[str] = []
        self.text: list[str] = []
        self.misnested: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [value or "" for name, value in attrs if name in {"src", "href", "xlink:href", "action"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.misnested.append(tag)

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in {"style", "script"}:
            self.text.append(data)

    @property
    def visible(self) -> str:
        return " ".join(" ".join(self.text).split())


def pictures(page: str) -> list[ET.Element]:
    """Every figure of a page as parsed XML; raises where one is not well formed."""
    drawn = re.findall(r"<svg.*?</svg>", page, flags=re.S)
    return [ET.fromstring(figure) for figure in drawn if 'role="img"' in figure]


def local(element: ET.Element) -> str:
    """An element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def words_of(figure: ET.Element, name: str) -> str:
    """The text of a figure's own `title` or `desc`."""
    return next(child.text or "" for child in figure if local(child) == name)
