"""The countable surface of one answer, as style-controlled leaderboards count it."""

from __future__ import annotations

import re

from components.contracts.preference_rows import StyleFeatures
from components.contracts.rows import Completion
from components.style.structure import has_summary, list_items
from components.style.words import split_words

# Headings, bold runs and what counts as code are those of Arena's style control (arena-hard-auto,
# utils/add_markdown_info.py): code is taken out first, so that a comment in Python is no heading.
_CODE_BLOCK = re.compile(r"```[^`]*```")
_HEADING = re.compile(r"^#{1,6}\s", re.MULTILINE)
# One pattern each: where the two kinds of bold overlap, Arena counts both.
_BOLD = (re.compile(r"\*\*[^*\n]+\*\*"), re.compile(r"__[^_\n]+__"))


def features(completion: Completion) -> StyleFeatures:
    """Count an answer's surface.

    Words are those of the style profiles rather than a tokenizer's tokens, and list markers are those of Table 2
    (Arena does not count `•` and `1)`, and counts `+`). Words inside code count; Markdown inside code does not.
    """
    prose = _CODE_BLOCK.sub("", completion.text)
    return StyleFeatures(
        prompt_id=completion.prompt_id,
        model=completion.model,
        words=len(split_words(completion.text)),
        list_items=list_items(prose),
        headers=len(_HEADING.findall(prose)),
        bold_runs=sum(len(pattern.findall(prose)) for pattern in _BOLD),
        has_summary=has_summary(completion.text),
    )
