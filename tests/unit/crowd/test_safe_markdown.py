"""Outputs as HTML: what a reader needs stays, what could act goes. The browser's own verdict is in test_browser."""

import html
import re
import time

import pytest

from components.crowd.pages.safe_markdown import ELEMENTS, PLAIN_ABOVE, to_html


def words(made: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", made))


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("**bold** and *soft*", "<strong>bold</strong> and <em>soft</em>"),
        ("1. one\n2. two", "<ol>\n<li>one</li>\n<li>two</li>\n</ol>"),
        ("3. three", '<ol start="3">'),
        ("# Title", "<h3>Title</h3>"),
        ("###### Deep", "<h6>Deep</h6>"),
        ("`a < b`", "<code>a &lt; b</code>"),
        ("```py\nif a < b:\n    pass\n```", '<pre tabindex="0"><code>if a &lt; b:\n    pass\n</code></pre>'),
        ("|a|b|\n|-|-|\n|1|2|", "<td>1</td>"),
        (
            "[the page](https://e.example/?a=1&b=2)",
            'the page</span> <span class="address">(https://e.example/?a=1&amp;b=2)',
        ),
        ("![a cat](https://e.example/cat.png)", "[picture: a cat]"),
        ("<b>bold?</b>", "&lt;b&gt;bold?&lt;/b&gt;"),
        ("", "(This answer is empty.)"),
        (" \n\t\n", "(This answer is empty.)"),
        ("\u200b\ufeff \u3000\u202e", "(This answer is empty.)"),
        ("[1]: https://e.example", "https:&#47;&#47;e.example"),
        ("***", "<hr>"),
        ("\u200bx", "x"),
    ],
)
def test_what_a_reader_needs_is_there(given: str, made: str) -> None:
    assert made in to_html(given)


def test_no_word_is_lost_however_deep_it_lies() -> None:
    deep = "> " * 60 + "at the bottom"
    assert "at the bottom" in words(to_html(deep))
    assert words(to_html("<div>\n<p>kept as text\n</div>")).strip() == "<div>\n<p>kept as text\n</div>"


def test_only_listed_elements_come_out_and_no_address_is_kept() -> None:
    given = "[a](javascript:x) <https://e.example> ![p](x.png)\n\n<iframe src=x>\n\n- [ ] x\n\n***\n\n~~gone~~ a  \nb"
    made = to_html(given)
    assert set(re.findall(r"<([a-z0-9]+)", made)) <= ELEMENTS
    assert not re.search(r"\b(href|src|style|on\w+)=", re.sub(r">[^<]*<", "><", made))


def test_text_that_turns_its_surroundings_is_kept_from_it() -> None:
    assert "\u202e" not in to_html("abc \u202e def") + to_html("\u202e" + "x" * (PLAIN_ABOVE + 1))


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["[", "![", "*a ", "<a", "`", "> ", "- ", "[a](", "**_", "|a", "\\", "&#"])
def test_no_text_keeps_the_reader_busy_for_longer_than_its_length_asks(unit: str) -> None:
    """Ten times the text may take twenty times as long, and not a hundred times."""

    def seconds(length: int) -> float:
        text = (unit * length)[:length]
        found = []
        for _ in range(3):  # the least: a collection of garbage may fall into one of them
            began = time.process_time()
            to_html(text)
            found.append(time.process_time() - began)
        return min(found)

    assert seconds(10_000) < 20 * max(seconds(1_000), 0.02)


def test_a_very_long_text_is_shown_as_it_is() -> None:
    made = to_html("**x** " * 20_000)
    assert "**x**" in made
    assert '<div class="plain">' in made
