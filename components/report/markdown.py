"""report.md: the page for readers that show no HTML, and the short form for a CI's summary."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from components.contracts.verdict import Verdict
from components.report.attribution_sheets import attribution_sentences
from components.report.cost_sheet import cost_sheet
from components.report.data_sheets import data_sheets
from components.report.deciding import deciding
from components.report.html import all_sheets, key_figures
from components.report.not_measured import not_measured
from components.report.page_inputs import CostLine, ExampleOutput, ReportExtras
from components.report.row_sources import sources_of
from components.report.sheets import Cell, Sheet, pooled_sheet, scores_sheet
from components.report.wording import VERDICT_TITLES, clean, count, gate_words, model_names, typeset

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&])")
_LIST_START = re.compile(r"^(\d*)([-+=.)])(?=[-=\s]|$)")


def render_markdown(verdict: Verdict, *, extras: ReportExtras | None = None) -> str:
    """Everything the page says, without its pictures.

    Args:
        verdict: What to show.
        extras: As for the page.
    """
    extras = extras or ReportExtras()
    names = model_names(verdict, extras.models)
    whose = attribution_sentences(verdict.attribution, verdict.pooled.all) if verdict.attribution else []
    support = verdict.support_map.sentence if verdict.support_map else ""
    parts = [
        *_head(verdict, extras),
        *_bullets("Before you believe a number", verdict.warnings),
        *_deciding(verdict),
        *_bullets("What would change this verdict", verdict.would_change),
        *(["## Who wrote this?", as_sentence(" ".join(whose))] if whose else []),
        *(["## Gain against support", as_sentence(support)] if support else []),
        *_unmeasured(verdict),
        *_tables(verdict, extras),
        *_costs(extras.costs),
        *_examples("Sure of it, and wrong", extras.sure_and_wrong, names),
        *_examples("Answers side by side", extras.examples, names),
        *_again(extras),
    ]
    return "\n\n".join(parts) + "\n"


def render_summary(verdict: Verdict, *, extras: ReportExtras | None = None) -> str:
    """The verdict with its scores, for the summary of a CI job."""
    extras = extras or ReportExtras()
    sheets = [scores_sheet(verdict), pooled_sheet(verdict)] if verdict.benchmarks else []
    parts = [*_head(verdict, extras), *map(table, sheets), *_bullets("What would change it", verdict.would_change)]
    return "\n\n".join(parts) + "\n"


def _head(verdict: Verdict, extras: ReportExtras) -> list[str]:
    names = model_names(verdict, extras.models)
    gate = escaped(gate_words(verdict)).replace("Gate not passed", "**Gate not passed**")
    changed = " (not the rules that were registered before the run)" if verdict.provenance.get("policy_changed") else ""
    roles = ", ".join(f"{role} {escaped(names[role])}" for role in ("base", "imitator", "target"))
    figures = [
        f"| {escaped(k.label)} | {escaped(k.value)} | {escaped(k.detail)} |" for k in key_figures(verdict, names)
    ]
    return [
        f"# {escaped(extras.title or names['imitator'])}: {VERDICT_TITLES[verdict.verdict].lower()}",
        f"**{VERDICT_TITLES[verdict.verdict]}.** {as_sentence(verdict.reason)}",
        f"{roles}. {gate}{changed}.",
        "\n".join(["| | | |", "|---|---|---|", *figures]),
    ]


def escaped(text: str) -> str:
    """Text that Markdown and the HTML it lets through take literally, on one line."""
    return _LIST_START.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", clean(" ".join(text.split()))))


def as_sentence(text: str) -> str:
    """A sentence of ours, with true minus signs."""
    return escaped(typeset(text))


def _bullets(heading: str, lines: Iterable[str]) -> list[str]:
    items = [f"- {as_sentence(text)}" for text in lines]
    return [f"## {heading}", "\n".join(items)] if items else []


def _deciding(verdict: Verdict) -> list[str]:
    found = deciding(verdict)
    said = [f"On the same rows: {line}" for line in found.conclusions] or ["On the same rows no conclusion changes"]
    lines = [found.looks, *(f"Not as on record before: {rule}" for rule in found.rules), *(said if found.rules else ())]
    return _bullets("How it was decided", filter(None, lines))


def _unmeasured(verdict: Verdict) -> list[str]:
    # Remedies are our own words, whose backquotes shall stay.
    lines = [f"- {escaped(gap.what)}. To add it: {gap.remedy}." for gap in not_measured(verdict)]
    return ["## What was not measured", "\n".join(lines)]


def _tables(verdict: Verdict, extras: ReportExtras) -> list[str]:
    parts = ["## Every number"]
    for sheet in (*all_sheets(verdict), *data_sheets(verdict)):
        parts += [f"### {escaped(sheet.caption)}", table(sheet)]
        found = sources_of(sheet.key, extras.sources)
        if found:
            parts.append("From " + ", ".join(f"`{source.name}`" for source in found) + ".")
    return parts if len(parts) > 1 else []


def table(sheet: Sheet) -> str:
    """A sheet as a Markdown table with its footnotes below."""
    heads = [f"{escaped(c.title)} ({escaped(c.meaning)})" if c.meaning else escaped(c.title) for c in sheet.columns]
    rule = ["---:" if column.numeric else "---" for column in sheet.columns]
    lines = [_row(heads), _row(rule), *(_row([_cell(cell) for cell in cells]) for cells in sheet.rows)]
    notes = [f"{number}\\. {escaped(note)}" for number, note in enumerate(sheet.notes, 1)]
    return "\n".join(lines) + ("\n\n" + "  \n".join(notes) if notes else "")


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    note = f" ^{cell.note}" if cell.note else ""
    return f"{escaped(cell.text)}{f' ({escaped(cell.sub)})' if cell.sub else ''}{note}"


def _costs(costs: Sequence[CostLine]) -> list[str]:
    return ["## What it took", table(cost_sheet(costs))] if costs else []


def _examples(heading: str, examples: Sequence[ExampleOutput], names: dict[str, str]) -> list[str]:
    if not examples:
        return []
    parts = [f"## {heading}"]
    for example in examples:
        expected = f" Right: {escaped(example.expected)}." if example.expected else ""
        parts.append(f"**{escaped(example.prompt)}** {escaped(example.note)}.{expected}")
        for part in ("base", "imitator", "target"):
            said = getattr(example, part)
            rated = f" ({escaped(example.rated[part])})" if part in example.rated else ""
            parts.append(f"{escaped(names[part])}{rated}:\n\n{'No answer.' if said is None else _quoted(said)}")
    return parts


def _quoted(answer: str) -> str:
    return "\n".join(f"> {escaped(text)}" for text in clean(answer).splitlines()) or ">"


def _again(extras: ReportExtras) -> list[str]:
    if not extras.sources:
        return []
    lines = [f"- `{s.name}`: {count(s.rows)} rows, sha256 {s.digest}" for s in extras.sources if s.digest]
    again = f"`{extras.command}`; one number: `{extras.command} --show ADDRESS`, where `all` lists the addresses"
    typed = [f"The same verdict from these rows: {again}"] if extras.command else []
    return ["## Rows behind the numbers", *typed, "\n".join(lines)]
