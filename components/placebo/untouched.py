"""Parts of an answer that no corruption may touch: code, addresses, placeholders, and the numbering of lists."""

from __future__ import annotations

import re

# A fence that is never closed goes on to the end: the answer was cut.
_FENCED = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_INLINE = (
    re.compile(r"`[^`\n]+`"),
    re.compile(r"\b(?:https?://|www\.)[^\s<>\")\]]+"),
    re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,64}\.[\w.-]{1,64}"),
    re.compile(r"\[[^\[\]\n]{1,60}\]"),
    re.compile(r"</?[A-Za-z][^<>\n]{0,80}>"),
    re.compile(r"\$\$.{1,400}?\$\$|\\\[.{1,400}?\\\]|\\\(.{1,200}?\\\)", re.DOTALL),
)
# "1." "2)" "(3)" "a." "-" at the head of a line, and "Step 4:" or "Day 2" wherever it stands.
_LIST_MARK = re.compile(r"^[ \t>#*_]*(?:[-*•]|\(?\d{1,3}[.):]|\(?[a-zA-Z][.)])(?=[ \t]|\*)", re.MULTILINE)
_LABEL = re.compile(
    r"\b(?:step|day|week|month|part|chapter|section|question|answer|example|option|tip|phase|stage|level|act|scene"
    r"|verse|figure|table|person|player|team|line|row|column|method|round|task|problem|exercise|lesson|module|unit|item"
    r"|number|no\.|page|version|type|grade|group|paragraph|slide|case|scenario|rule|variable|point)s?[ \t]?#?\d{1,3}\b",
    re.IGNORECASE,
)
_CODE_LINE = re.compile(
    r"^[ \t]*(?:#include|import \w|from [\w.]+ import|def \w+\(|class \w+[(:{]|return\b.*[;)]$|public |private |void "
    r"|for ?\(|while ?\(|if ?\(|else\b.*[{:]$|print\(|console\.|var |let |const |function \w*\(|SELECT |INSERT "
    r"|//|/\*|<\w|[})\]];?$"
    r"|[\w.\[\]]+ ?[-+*]?= ?[\[{'\"].*$)"
    r"|[;{]\s*$",
    re.MULTILINE,
)

Span = tuple[int, int]


def code_spans(text: str) -> list[Span]:
    """Fenced blocks, and lines outside them that read like code."""
    found = [match.span() for match in _FENCED.finditer(text)]
    begin = 0
    for line in text.splitlines(keepends=True):
        if _CODE_LINE.search(line.rstrip("\r\n")):
            found.append((begin, begin + len(line)))
        begin += len(line)
    return merged(found)


def untouched_spans(text: str) -> list[Span]:
    """All that must stay as it is."""
    found = code_spans(text)
    for pattern in (*_INLINE, _LIST_MARK, _LABEL):
        found += [match.span() for match in pattern.finditer(text)]
    return merged(found)


def merged(spans: list[Span]) -> list[Span]:
    """In order and without overlap."""
    out: list[Span] = []
    for begin, end in sorted(spans):
        if out and begin <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((begin, end))
    return out
