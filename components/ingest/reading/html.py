"""Replies copied from a chat page as HTML -> Markdown. Replies that merely show markup stay as they are.

A page writes every literal `<` of a reply as `&lt;`, so a turn is a page's HTML only if each `<` in it opens a tag that
such pages render text with, the tags are closed, and no text stands beside the outermost ones. Code that a user asked
for ("<T>", XML, a form) fails one of these, or has indented lines or attributes that no page writes.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from html_to_markdown import ConversionOptions

VOID = frozenset({"br", "hr", "img", "input", "col"})
OPENING = frozenset({"p", "pre", "ol", "ul", "table", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "hr"})
_INLINE = """div a b br button code col colgroup del em i img input li line path polygon polyline rect circle s span
    strong sub sup svg g table tbody td tfoot th thead tr u title"""
_MATH = """math semantics annotation mrow mi mo mn msup msub msubsup mfrac msqrt mroot mtext mspace mtable mtr mtd
    munder mover munderover mstyle mpadded mphantom menclose"""
RENDERED = OPENING | frozenset(_INLINE.split()) | frozenset(_MATH.split())
# What a page gives these tags; an id, a style, an onclick or a form's name is somebody's code.
_ATTRIBUTES = """class start href target rel src alt title align colspan rowspan type checked disabled aria-hidden
    stroke fill stroke-width viewbox stroke-linecap stroke-linejoin height width xmlns d x1 y1 x2 y2 points encoding
    cx cy r x y rx ry mathvariant stretchy display"""
DEEPEST = 100
"""No page nests deeper; it also bounds the work on tags that are never closed."""
ATTRIBUTES = frozenset(_ATTRIBUTES.split())
PAGE_CLASS = re.compile(r'(?:<div[^<>]*>\s*){0,4}<div[^<>]*\sclass="[^"]*\bmarkdown\b')

_COUNTER = re.compile(r"\A\s*\d+ ?/ ?\d+\s*(?=<)")
_TAG = re.compile(
    r"""<(/?)([a-zA-Z][a-zA-Z0-9]*)((?:\s+[^\s<>"'=/]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'<>=]+))?)*)\s*(/?)>"""
)
_ATTRIBUTE = re.compile(r"""\s([^\s<>"'=/]+)(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'<>=]+))?""")
_INDENTED = re.compile(r"\n[ \t]+</?[a-zA-Z]")
_CUT_TAG = re.compile(r"<[^<>]*$")
_PRE = re.compile(r"<pre\b[^>]*>(.*?)</pre>", re.DOTALL)
_CODE = re.compile(r"<code\b([^>]*)>(.*)</code>", re.DOTALL)
_LANGUAGE = re.compile(r"\blanguage-([\w+#.-]+)")
_ANY_TAG = re.compile(r"<[^>]*>")
_BUTTON = re.compile(r"<(button|svg)\b[^>]*>.*?</\1>", re.DOTALL)
_COPY = re.compile(r"\s*Copy(?: code)?\s*$")
_NOTICE = re.compile(r'<div[^>]*\bclass="[^"]*border-orange-500[^"]*"[^>]*>.*?</div>', re.DOTALL)
_MATH_ML = re.compile(
    r"<math\b(?:(?!</math>).)*?<annotation\b[^>]*>((?:(?!</math>).)*?)</annotation>.*?</math>", re.DOTALL
)
_SPAN = re.compile(r"<(/?)span\b([^>]*)>")


def replies_to_markdown(texts: Sequence[str]) -> list[str]:
    """The replies of one conversation, those that are a page's HTML as Markdown.

    A reply wrapped in a page's own div is converted by itself. A bare fragment ("<p>Hi</p>") is converted only when all
    replies of the conversation are HTML: a page wraps all of them, a user's request for markup concerns one.
    """
    marked = [_is_marked(text) for text in texts]
    bare = [not mark and is_page_html(text) for mark, text in zip(marked, texts, strict=True)]
    everywhere = all(mark or fragment for mark, fragment in zip(marked, bare, strict=True))
    return [
        to_markdown(text) if mark or (fragment and everywhere) else text
        for text, mark, fragment in zip(texts, marked, bare, strict=True)
    ]


def _is_marked(text: str) -> bool:
    """Whether a reply is wrapped in the div of a chat page."""
    body = text[match.end() :] if (match := _COUNTER.match(text)) else text.lstrip()
    return body.startswith("<div") and PAGE_CLASS.match(body) is not None and _is_rendered(body, strict=False)


def is_page_html(text: str) -> bool:
    """Whether a whole reply is what a chat page renders, and not code that looks similar."""
    body = text[match.end() :] if (match := _COUNTER.match(text)) else text.strip()
    opening = _TAG.match(body)
    if opening is None or opening[2].lower() not in OPENING or not _is_rendered(body, strict=True):
        return False
    return _INDENTED.search(_PRE.sub("", body)) is None


def _is_rendered(body: str, *, strict: bool) -> bool:
    """Every `<` belongs to a tag of the page, tags are closed in order, and all text lies inside the outermost.

    Not strict: attributes are not looked at, and a last tag may be left open (dumps cut long replies).
    """
    open_tags: list[str] = []
    place = 0
    for match in _TAG.finditer(body):
        between = body[place : match.start()]
        place = match.end()
        name = match[2].lower()
        if "<" in between or name not in RENDERED or (not open_tags and between.strip()):
            return False
        if strict and not _is_of_a_page(name, match[3]):
            return False
        if match[1]:
            if not open_tags or open_tags.pop() != name:
                return False
        elif not match[4] and name not in VOID:
            open_tags.append(name)
            if len(open_tags) > DEEPEST:
                return False
    rest = body[place:] if strict else _CUT_TAG.sub("", body[place:])
    return not (open_tags and strict) and "<" not in rest and not (rest.strip() and not open_tags)


def _is_of_a_page(name: str, attributes: str) -> bool:
    keys = {key.lower() for key in _ATTRIBUTE.findall(attributes)}
    if name in {"td", "th"} and "text-align" in attributes:
        keys.discard("style")
    return keys <= ATTRIBUTES


def to_markdown(text: str) -> str:
    """Markdown of a page's HTML, without the page's own furniture: copy buttons, page counters, notices."""
    from html_to_markdown import convert

    body = _COUNTER.sub("", text, count=1)
    body = _CUT_TAG.sub("", _NOTICE.sub("", body))
    if "katex" in body or "<math" in body:
        body = _math_as_tex(body)
    body = _PRE.sub(_plain_block, body)
    body = _BUTTON.sub("", body)
    return (convert(body, _options()).content or "").strip("\n").rstrip()


def _plain_block(block: re.Match[str]) -> str:
    """A code block as HTML alone would have it: the language as a class, the code without colour."""
    code = _CODE.search(block[1])
    if code is None:
        return f"<pre><code>{_ANY_TAG.sub('', _BUTTON.sub('', block[1]))}</code></pre>"
    label: str = html.unescape(_ANY_TAG.sub("", _BUTTON.sub("", block[1][: code.start()]))).strip()
    label = _COPY.sub("", label)
    named = _LANGUAGE.search(code[1])
    language = named[1] if named else label if re.fullmatch(r"[\w+#.-]{1,20}", label) else ""
    kind = f' class="language-{html.escape(language)}"' if language else ""
    return f"<pre><code{kind}>{_ANY_TAG.sub('', code[2])}</code></pre>"


def _math_as_tex(body: str) -> str:
    """Formulas as the TeX they were written in; KaTeX keeps it beside two renderings of it."""
    body = _MATH_ML.sub(lambda found: f"${found[1].strip()}$", body)
    kept: list[str] = []
    place = depth = hidden_from = 0
    for tag in _SPAN.finditer(body):
        if not hidden_from and not tag[1] and "katex-html" in tag[2]:
            kept.append(body[place : tag.start()])
            hidden_from = depth + 1
        depth += -1 if tag[1] else 1
        if hidden_from and depth < hidden_from:
            hidden_from, place = 0, tag.end()
    if not hidden_from:
        kept.append(body[place:])
    return "".join(kept)


@cache
def _options() -> ConversionOptions:
    from html_to_markdown import ConversionOptions

    return ConversionOptions(extract_metadata=False, bullets="-", compact_tables=True, list_indent_width=2)
