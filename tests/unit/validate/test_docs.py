"""The gate's page: one file, no script, nothing fetched, every foreign text escaped."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from components.contracts.data_rows import CATEGORIES, BenchmarkLeakage, CategoryShare, DataFigures
from components.contracts.evidence_rows import GateCheck
from components.validate.docs import write_docs
from components.validate.excerpts import HEAD_CHARS, Excerpt, head

EVIL = "<script>alert('x')</script><img src=https://example.org/x.png onerror=alert(1)>"
FIGURES = DataFigures(
    name=EVIL,
    dialogues=1234,
    turns=5000,
    imitation_words=99_000,
    removed={EVIL: 3, "language": 40},
    sources={f"source {n}": 100 - n for n in range(15)},
    targets={"": 1234},
    languages={"en": 1200, "": 34},
    diversity_bleu=8.25,
    diversity_queries=1200,
    leakage=(
        BenchmarkLeakage(
            benchmark="mmlu", n=200, dirty=7, bleu_mean=12.5, bleu_above_20=30, ngram8_found=5, ngram13_found=2
        ),
        BenchmarkLeakage(benchmark="", n=10, dirty=0, bleu_mean=3, bleu_above_20=0, ngram8_found=0, ngram13_found=0),
    ),
    categories=tuple(
        CategoryShare(category=name, share=1 / 9, ci=(0.05, 0.2), classified=0.1, reviewed=5) for name in CATEGORIES
    ),
    toxic_share=0.012,
    toxic_unscored=34,
)
CHECKS = [
    GateCheck(name="nothing leaks", passed=False, severity="error", observed="1 of 1234", failing=(EVIL,)),
    GateCheck(name="replies are long", passed=False, severity="warning", observed="2 of 1234", failing=("a", "b")),
    GateCheck(name="ids are unique", passed=True, severity="error", observed="all"),
]
EXCERPTS = [[Excerpt(3, EVIL, EVIL, EVIL, EVIL)], [Excerpt(4, "a", "", "Why?", "Because.")], []]


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += attrs


def page(folder: Path) -> str:
    write_docs(folder, figures=FIGURES, checks=CHECKS, excerpts=EXCERPTS, document={})
    return (folder / "index.html").read_text(encoding="utf-8")


def text(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL))


def test_the_page_escapes_everything_runs_nothing_and_fetches_nothing(tmp_path: Path) -> None:
    html = page(tmp_path)
    tags = _Tags()
    tags.feed(html)
    assert not {"script", "img", "link", "iframe", "object"} & set(tags.seen)
    assert not [name for name, _ in tags.attributes if name.startswith("on") or name in {"src", "href"}]
    assert "default-src 'none'" in html
    assert "url(" not in html


def test_failing_dialogues_stand_with_their_texts_under_their_check(tmp_path: Path) -> None:
    said = text(page(tmp_path))
    assert said.index("What closed the gate") < said.index("nothing leaks", said.index("What closed the gate"))
    assert re.search(r"Warnings warning replies are long 2 of 1234 1 failing dialogue .* a Why\? Because\.", said)
    assert re.search(r"What holds holds ids are unique : all", said)


def test_the_figures_are_all_there(tmp_path: Path) -> None:
    said = text(page(tmp_path))
    for part in (
        "1,234 43 set aside",
        "99,000",
        "8.2 mean BLEU to the nearest other; the study: 8",
        "1.2% 34 dialogues could not be scored",
        "mmlu 200 7 3.5% 12.5 30 5 2",
        "held-out prompts 10 0 0.0%",
        "Generation 11.1% 5.0% – 20.0% 10.0% 5 31.0%",
        "3 others 261",
        "not looked at 34",
    ):
        assert part in said, part


def test_an_excerpt_is_one_short_line_that_says_how_much_is_left_out() -> None:
    assert head("a\n\n b") == "a b"
    long = head("word " * 1000)
    assert len(long) < HEAD_CHARS + 30
    assert long.endswith("… (5,000 characters)")
