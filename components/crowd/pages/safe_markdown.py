"""Model outputs as HTML that can do nothing: no scripts, no styles, no pictures, no links that lead anywhere.

Two walls: the Markdown reader passes no HTML on, and what it makes goes through a sanitiser with a short list of
elements. The pages' content security policy is the third.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

PLAIN_ABOVE = 100_000
"""Characters above which a text is shown as it is, without Markdown: made-up nesting could keep the reader busy."""
ELEMENTS = {
    "p", "br", "hr", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li", "span",
    "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td", "div",
}  # fmt: skip
ATTRIBUTES = {"ol": {"start"}, "pre": {"tabindex"}, "span": {"class"}, "div": {"class", "tabindex"}}
LOWER = 2
"""Levels by which headings sink: above them stand the page's own title and the answer's."""
UNSEEN = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
"""Characters that reorder the text around them; a paragraph's direction is found by the browser instead."""
BLANK = re.compile(r"[\s\u00ad\u034f\u115f\u1160\u200b-\u200f\u2060-\u2064\u3164\ufeff]*")
"""What a reader does not see, alone."""
SEEN = re.compile(r"<hr|>[^<]*[^<\s]")
"""That there is something to see in HTML."""


def to_html(text: str) -> str:
    """HTML of one output; of an empty one, words that say so."""
    text = UNSEEN.sub("", text)
    if BLANK.fullmatch(text):
        return '<p><span class="nothing">(This answer is empty.)</span></p>'
    if len(text) > PLAIN_ABOVE:
        return plain(text)
    made = nh3.clean(READER.render(text), tags=ELEMENTS, attributes=ATTRIBUTES, link_rel=None)
    # A text of nothing but definitions of links is Markdown for nothing.
    return made if SEEN.search(made) else plain(text)


def plain(text: str) -> str:
    """HTML of a text that is shown as it is, line by line."""
    return f'<div class="plain">{nh3.clean_text(UNSEEN.sub("", text))}</div>'


def _code(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    # Reachable by keyboard, since it scrolls sideways.
    return f'<pre tabindex="0"><code>{_escaped(tokens[index].content)}</code></pre>\n'


def _picture(
    self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: MutableMapping[str, Any]
) -> str:
    words = self.renderInlineAsText(tokens[index].children or [], options, env)
    return f'<span class="picture">[picture: {_escaped(words)}]</span>'


def _link_open(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    return '<span class="link">'


def _link_close(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    opening = next(token for token in reversed(tokens[:index]) if token.type == "link_open")
    address = str(opening.attrGet("href") or "")
    return f'</span> <span class="address">({_escaped(address)})</span>' if opening.info != "auto" else "</span>"


def _table(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    return '<div class="scroll" tabindex="0"><table>\n' if tokens[index].nesting == 1 else "</table></div>\n"


def _heading(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    level = min(int(tokens[index].tag[1]) + LOWER, 6)
    return f"<h{level}>" if tokens[index].nesting == 1 else f"</h{level}>\n"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def _reader() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False, "maxNesting": 100}).enable(["table", "strikethrough"])
    rules = {
        "fence": _code,
        "code_block": _code,
        "image": _picture,
        "link_open": _link_open,
        "link_close": _link_close,
        "table_open": _table,
        "table_close": _table,
        "heading_open": _heading,
        "heading_close": _heading,
    }
    for name, rule in rules.items():
        reader.add_render_rule(name, rule)
    return reader


READER = _reader()
