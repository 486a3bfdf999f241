"""Reading of the real dumps: what is kept and why the rest is not; HTML pages made of real replies are read back."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from components.contracts.dialogue_rows import Dialogue
from components.contracts.environment import data_folder
from components.ingest.reading.html import replies_to_markdown
from components.ingest.reading.readers import read_dump
from components.ingest.reading.sources import DumpSource
from components.ingest.reading.tally import Tally

DATA = data_folder(Path(__file__).parents[3] / "shared" / "data")
SHAREGPT = DATA / "sharegpt-sample" / "sharegpt_sample.jsonl.gz"
SAID = DumpSource(target="gpt-3.5-turbo", target_date="2023-03", terms="restricted", licence="MIT")

_CODE_BLOCK = re.compile(r'<pre><code class="language-(\S+)">(.*?)</code></pre>', re.DOTALL)
_BLOCK_TAG = re.compile(r" ?(</?(?:p|li|ul|ol|pre|table|t[dhr]|thead|tbody|h\d|blockquote|br|hr)\b[^>]*>) ?")

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"real data absent: {DATA}")


@pytest.mark.parametrize(
    ("name", "kept", "removed"),
    [
        # 975 chunks, 326 of which begin with gpt; nine hold nothing but its continuation.
        ("sharegpt-sample/sharegpt_sample.jsonl.gz", 962, {"no_reply": 9, "empty": 4}),
        ("imitation-data-chatgpt/halueval_general.jsonl.gz", 4507, {}),
        ("alpaca-eval/outputs/vicuna-13b.json.gz", 805, {}),
        # The request is what the person's and the model's text have in common at their start; some texts share nothing.
        ("chatgpt-vs-human/pubmed_gpt-4.jsonl.gz", 150, {}),
        ("chatgpt-vs-human/writing_gpt-3.5-turbo.jsonl.gz", 145, {"no_query": 5}),
        ("chatgpt-vs-human/xsum_davinci.jsonl.gz", 150, {}),
    ],
)
def test_real_dumps_are_read_to_the_last_conversation(name: str, kept: int, removed: dict[str, int]) -> None:
    rows = list(read_dump(DATA / name, SAID))
    dialogues = [row for row in rows if isinstance(row, Dialogue)]
    reasons = Counter(row.reason for row in rows if not isinstance(row, Dialogue))
    assert (len(dialogues), reasons) == (kept, removed)
    assert len({row.id for row in dialogues}) == kept
    assert {(row.passport.target_date, row.passport.terms, row.passport.licence) for row in dialogues} == {
        ("2023-03", "restricted", "MIT")
    }
    lines = [int(row.passport.origin.rsplit(" ", 1)[1].rstrip(")")) for row in dialogues]
    assert lines == sorted(lines)


def test_a_third_of_real_chunks_begins_with_the_reply_and_that_is_no_reason_to_warn() -> None:
    tally = Tally()
    rows = list(read_dump(SHAREGPT, SAID, tally=tally))
    assert (tally.conversations, tally.assistant_first, tally.warnings()) == (975, 326, [])
    # Eleven of them are among the thirteen that were set aside.
    shortened = sum(
        row.passport.dropped_turns > 0 and row.turns[0].speaker == "user" for row in rows if isinstance(row, Dialogue)
    )
    assert shortened >= 326 - 11


def test_real_markdown_replies_are_never_taken_for_html() -> None:
    for replies in _real_replies():
        assert replies_to_markdown(replies) == replies


@pytest.mark.long
def test_pages_rendered_from_real_replies_render_the_same_after_they_were_read() -> None:
    """Markdown -> the page's HTML, with its furniture -> Markdown -> HTML again: at most 1 in 200 differs.

    What differs: a blank first line of a code block, and a line of a paragraph that now opens a list.
    """
    render = MarkdownIt("commonmark", {"html": False}).enable("table").render
    num, different = 0, []
    for replies in _real_replies():
        pages = [_page(render(reply)) for reply in replies]
        for reply, page, markdown in zip(replies, pages, replies_to_markdown(pages), strict=True):
            num += 1
            assert markdown != page
            assert "Copy code" not in markdown or "Copy code" in reply
            if _plain(render(markdown)) != _plain(render(reply)):
                different.append(reply)
    assert num == 3782
    assert len(different) < num / 200


def _real_replies() -> list[list[str]]:
    with gzip.open(SHAREGPT, "rt", encoding="utf-8") as stream:
        talks = [json.loads(line)["conversations"] for line in stream]
    return [[turn["value"] for turn in talk if turn["from"] == "gpt"] for talk in talks]


def _page(html: str) -> str:
    furnished = _CODE_BLOCK.sub(
        r'<pre><div class="bg-black rounded-md"><div class="flex items-center"><span>\1</span><button class="flex'
        r' ml-auto gap-2"><svg><path d="M1 2"></path></svg>Copy code</button></div><div class="p-4"><code'
        r' class="!whitespace-pre hljs language-\1">\2</code></div></div></pre>',
        html,
    )
    return f'<div class="markdown prose w-full break-words">{furnished}</div>'


def _plain(html: str) -> str:
    """HTML without what a browser does not show: white space, and whether list items are paragraphs."""
    return _BLOCK_TAG.sub(r"\1", re.sub(r"\s+", " ", html)).replace("<p>", "").replace("</p>", "").strip()
