"""HTML replies of old dumps become Markdown; replies that merely show markup stay as they are."""

from __future__ import annotations

import time

import pytest

from components.ingest.reading.html import replies_to_markdown

PAGE = '<div class="markdown prose w-full break-words dark:prose-invert dark">{}</div>'
OPEN = '<div class="markdown prose">'
CODE = (
    '<pre><div class="bg-black mb-4 rounded-md"><div class="flex items-center text-xs">{label}</div>'
    '<div class="p-4 overflow-y-auto"><code class="{kind}">{code}</code></div></div></pre>'
)
BUTTON = (
    '<button class="flex ml-auto gap-2"><svg stroke="currentColor"><path d="M16 4h2"></path></svg>Copy code</button>'
)


def _one(text: str) -> str:
    return replies_to_markdown([text])[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "<",
        "a < b and c > d",
        "<T>",
        "List<String> xs = new ArrayList<>();",
        "<script>alert(1)</script>",
        "<p",
        "<p>",
        "</p>",
        "<p> is the tag of a paragraph.",
        "Use <p> for a paragraph.",
        "The <b>bold</b> tag",
        "<p>opened only",
        "<p>one</p> and text beside it",
        "<p>if a < b</p>",
        "<p>Vec<T></p>",
        "<p>a & b <- c</p>",
        '<p style="color:red">red</p>',
        '<p onclick="x()">red</p>',
        "<ul>\n  <li>indented as people write it</li>\n</ul>",
        '<div class="card"><p>Hi</p></div>',
        '<div class="prose"><h1>Tailwind</h1></div>',
        '<div id="app"></div>',
        "<!DOCTYPE html>\n<html><body><p>x</p></body></html>",
        '<?xml version="1.0"?><note><to>you</to></note>',
        "<note><to>you</to></note>",
        "<form><input name='a'></form>",
        '```html\n<div class="markdown">x</div>\n```',
        'The page has <div class="markdown prose"><p>x</p></div>',
        '<div class="markdown">Vec<T> unescaped</div>',
        "<h1>T</h1><video src='x'></video>",
    ],
)
def test_what_is_no_page_stays_as_it_is(text: str) -> None:
    assert _one(text) == text


@pytest.mark.parametrize(
    ("html", "markdown"),
    [
        ("<p>Hello! How can I help?</p>", "Hello! How can I help?"),
        (PAGE.format("<p>a <strong>b</strong> <em>c</em> <code>d_e</code></p>"), "a **b** *c* `d_e`"),
        (PAGE.format("<p>if a &lt; b &amp;&amp; Vec&lt;T&gt; &amp;lt;</p>"), "if a < b && Vec<T> &lt;"),
        (PAGE.format("<p>snake_case_name, 2 * 3, [x]</p>"), "snake_case_name, 2 * 3, [x]"),
        (PAGE.format('<ol start="3"><li>three</li><li>four</li></ol>'), "3. three\n4. four"),
        (PAGE.format("<ul>\n<li>a\n<ul>\n<li>b</li>\n</ul>\n</li>\n</ul>"), "- a\n  - b"),
        (PAGE.format("<h2>T</h2><p>x</p><hr><blockquote><p>q</p></blockquote>"), "## T\n\nx\n\n---\n\n> q"),
        (
            PAGE.format('<table><thead><tr><th style="text-align:center">A</th></tr></thead><tbody><tr><td>1 | 2'
                        "</td></tr></tbody></table>"),
            "| A |\n| --- |\n| 1 \\| 2 |",
        ),
        ('<div class="flex flex-grow"><div class="min-h-[20px]">' + PAGE.format("<p>x</p>") + "</div></div>", "x"),
        ("2 / 3" + PAGE.format("<p>a page counter</p>"), "a page counter"),
        ("<p>Half is 1 / 2 <em>exactly</em>.</p>", "Half is 1 / 2 *exactly*."),
        (PAGE.format("<p>cut <strong>off</strong> in the mid")[:-6], "cut **off** in the mid"),
        ('<div class="markdown prose"><p>cut in a <stro', "cut in a"),
        (PAGE.format(""), ""),
    ],
)  # fmt: skip
def test_a_page_becomes_the_markdown_it_was_rendered_from(html: str, markdown: str) -> None:
    assert _one(html) == markdown


@pytest.mark.parametrize(
    ("label", "kind", "fence"),
    [
        (f"<span>python</span>{BUTTON}", "!whitespace-pre hljs language-python", "python"),
        ("pythonCopy code", "", "python"),
        (BUTTON, "", ""),
        ("Copy code", "hljs language-c++", "c++"),
        (f"<span>a long remark</span>{BUTTON}", "", ""),
    ],
)
def test_code_blocks_keep_their_code_and_lose_the_copy_button(label: str, kind: str, fence: str) -> None:
    code = '<span class="hljs-keyword">if</span> a &lt; b:\n\n    print(<span>"&lt;T&gt; Copy code"</span>)\n'
    html = PAGE.format("<p>So:</p>" + CODE.format(label=label, kind=kind, code=code))
    assert _one(html) == f'So:\n\n```{fence}\nif a < b:\n\n    print("<T> Copy code")\n```'


def test_a_fence_inside_code_gets_a_longer_fence_around_it() -> None:
    html = PAGE.format("<ol><li><p>x</p><pre><code>```\nin\n```\n</code></pre></li></ol>")
    assert _one(html) == "1. x\n\n   ````\n   ```\n   in\n   ```\n   ````"


def test_formulas_are_kept_once_and_as_tex() -> None:
    tex = '<annotation encoding="application/x-tex">e^{x} &lt; 1</annotation>'
    math = (
        '<span class="math math-inline"><span class="katex"><span class="katex-mathml"><math xmlns="m"><semantics>'
        f"<mrow><mi>e</mi></mrow>{tex}</semantics></math></span>"
        '<span class="katex-html" aria-hidden="true"><span class="base"><span>e</span></span></span></span></span>'
    )
    assert _one(f"<p>So {math} and {math}.</p>") == "So $e^{x} < 1$ and $e^{x} < 1$."


def test_a_bare_fragment_is_converted_only_where_all_replies_are_html() -> None:
    assert replies_to_markdown(["<p>Hi</p>", "<ul><li>x</li></ul>"]) == ["Hi", "- x"]
    assert replies_to_markdown(["<p>Hi</p>", "That is **Markdown**."]) == ["<p>Hi</p>", "That is **Markdown**."]
    marked = PAGE.format("<p>x</p>")
    assert replies_to_markdown([marked, "plain"]) == ["x", "plain"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "bomb",
    [
        OPEN + "<div>" * 100_000,
        OPEN + "<button>" * 40_000,
        OPEN + "<pre>" * 98 + "x" * 300_000,
        "<pre>" * 60_000,
        "<p>" + "<math></math>" * 30_000 + "</p>",
        "<p " + 'a="1" ' * 100_000 + ">x</p>",
        "<p>" + "<" * 300_000,
        "<p>" + "<span>" * 90 + "x" * 300_000 + "</span>" * 90 + "</p>",
    ],
    ids=["nested", "buttons", "open code", "code", "formulas", "attributes", "angles", "spans"],
)
def test_hostile_markup_takes_no_more_than_seconds(bomb: str) -> None:
    began = time.process_time()
    _one(bomb)
    assert time.process_time() - began < 3.0
