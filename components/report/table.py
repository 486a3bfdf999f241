"""What `touchstone audit` prints: the verdict, the benchmarks and what would change it, in 80 columns.

Colour is a hint only: without a terminal the same words come out plain.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from components.contracts.verdict import BenchmarkResult, PreferenceResult, Verdict
from components.report.attribution_sheets import attribution_sentences
from components.report.page_inputs import StudyEntry
from components.report.study_view import benchmark_names, result_of
from components.report.wording import (
    bare_percent,
    clean,
    count,
    distinct_pools,
    finite,
    interval,
    metric_title,
    percent,
    points,
    ratio,
    typeset,
)

WIDTH = 80
_STYLES = {
    "CAPABILITY": "bold green",
    "LOCAL": "bold magenta",
    "STYLE_ONLY": "bold yellow",
    "REGRESSION": "bold red",
    "INCONCLUSIVE": "bold",
    "gained": "green",
    "regressed": "red",
}
_SHORT_LABELS = {"gap not measurable": "gap unclear", "cannot tell": "can't tell"}


def render_table(verdict: Verdict) -> RenderableType:
    """A verdict for the terminal."""
    parts: list[RenderableType] = [_headline(verdict), Text()]
    if verdict.benchmarks:
        parts += [_benchmarks(verdict), Text()]
    parts += [_style_line(verdict), *(_preference_line(row) for row in verdict.preference)]
    if verdict.attribution is not None:
        parts.append(Text(f"Who wrote this? {attribution_sentences(verdict.attribution)[0]}"))
    if verdict.support_map is not None and verdict.support_map.sentence:
        parts.append(Text(f"Support: {clean(verdict.support_map.sentence)}"))
    parts += _bullets("What would change it", verdict.would_change)
    parts += _bullets("Before you believe a number", verdict.warnings)
    return Group(*parts)


def verdict_text(word: str) -> Text:
    """A verdict in its colour."""
    return Text(word, _STYLES[word])


def render_study_table(entries: Sequence[StudyEntry]) -> RenderableType:
    """A study's arms side by side for the terminal."""
    table = _plain_table()
    table.add_column("arm", ratio=3, overflow="fold")
    table.add_column("verdict", no_wrap=True)
    names = benchmark_names(entries)
    shown = names[:3]  # more columns would not fit 80; the page has them all
    for name in shown:
        table.add_column(Text(_short(name, 11)), justify="right", no_wrap=True)
    table.add_column("style", justify="right", no_wrap=True)
    for entry in entries:
        word = entry.verdict.verdict
        gaps = [_gap(result_of(entry, name)) for name in shown]
        style = ratio(entry.verdict.style.closeness)
        table.add_row(Text(clean(entry.name)), Text(word, _STYLES[word]), *map(Text, gaps), Text(style))
    more = f"; {len(names) - len(shown)} more benchmarks in the page" if len(names) > len(shown) else ""
    caption = Text(f"Columns: share of the gap to the target closed; style closeness{more}.", "dim")
    return Group(table, caption)


def _headline(verdict: Verdict) -> Text:
    text = Text(verdict.verdict, _STYLES[verdict.verdict])
    text.append(f"  {typeset(clean(verdict.reason))}", "default not bold")
    if verdict.gate == "fail":
        text.append("  [gate not passed]", "bold red")
    return text


def _plain_table() -> Table:
    return Table(
        box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, width=WIDTH, show_edge=False, header_style="bold"
    )


def _benchmarks(verdict: Verdict) -> Table:
    table = _plain_table()
    table.add_column("benchmark", ratio=1, overflow="ellipsis", no_wrap=True)
    for heading in ("n", "base", "imit.", "target", "change", "gap closed"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("says", no_wrap=True)
    for result in verdict.benchmarks:
        table.add_row(*_cells(result))
    if len(verdict.benchmarks) > 1:
        table.add_section()
        for name, part in distinct_pools(verdict.pooled):
            if part.benchmarks:
                closed = _closed(part.gap_closed, interval(part.ci, ratio))
                table.add_row(Text(name.lower()), *[Text("")] * 5, Text(closed), Text(""))
    return table


def _cells(result: BenchmarkResult) -> tuple[Text, ...]:
    label = _SHORT_LABELS.get(result.label, result.label)
    numbers = (
        count(result.n),
        bare_percent(result.base),
        bare_percent(result.imitator),
        bare_percent(result.target),
        points(result.delta),
        _closed(result.gap_closed, interval(result.gap_closed_ci, ratio)),
    )
    return Text(clean(result.name)), *map(Text, numbers), Text(label, _STYLES.get(label, ""))


def _closed(value: float | None, spread_words: str) -> str:
    return f"{ratio(value)} [{spread_words.replace(' to ', ', ')}]" if spread_words else ratio(value)


def _gap(result: BenchmarkResult | None) -> str:
    return ratio(result.gap_closed if result else None)


def _short(name: str, width: int) -> str:
    name = clean(name)
    return name if len(name) <= width else name[: width - 1] + "…"


def _style_line(verdict: Verdict) -> Text:
    style = verdict.style
    if finite(style.closeness) is None:
        return Text(f"Style: not measured ({typeset(clean(style.reason or 'no outputs were given'))})")
    least = "at least " if style.lower_bound else ""
    text = Text(f"Style: closeness {least}{ratio(style.closeness)}")
    text.append(f" ({interval(style.ci, ratio) or 'no interval'})")
    counted = [f"{_metric_word(n)} {ratio(m.closeness)}" for n, m in style.metrics.items() if m.measurable]
    return text.append(f": {', '.join(counted)}" if counted else "")


def _metric_word(name: str) -> str:
    known = {
        "list_agreement": "lists",
        "summary_agreement": "summaries",
        "length_correlation": "length",
        "authoritative": "tone",
        "unigram_f1": "words",
    }
    return known.get(name, metric_title(name))


def _preference_line(row: PreferenceResult) -> Text:
    share = percent(row.at_least_target)
    spread_words = interval(row.ci, percent) or "no interval"
    won = f"{count(row.wins)} won, {count(row.ties)} tied, {count(row.losses)} lost"
    return Text(
        f"Preference: {clean(row.model)} at least as good as {clean(row.opponent)} on {share} ({spread_words}) "
        f"of {count(row.n)} prompts, {won}; {clean(row.source)}"
    )


def _bullets(heading: str, lines: Iterable[str]) -> list[RenderableType]:
    items = [Padding(Text(f"• {typeset(clean(line))}"), (0, 0, 0, 2)) for line in lines]
    return [Text(), Text(heading, "bold"), *items] if items else []
