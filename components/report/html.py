"""report.html and the study's page: one self-contained file each, without script or external request.

Every string that comes from a user (model names, file names, outputs) passes through jinja2's autoescaping or
through `figures.svg.literal`; markup enters only as our own SVG.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from components.contracts.verdict import Verdict
from components.report.attribution_sheets import attribution_sentences, attribution_sheets
from components.report.cost_sheet import cost_sheet
from components.report.data_sheets import data_sheets
from components.report.deciding import deciding
from components.report.figures.arms import arms_figure
from components.report.figures.attribution import taken_for_target_figure
from components.report.figures.contrast import contrast_figure
from components.report.figures.data_flow import flow_figure
from components.report.figures.gap_closed import gap_closed_figure
from components.report.figures.loss import loss_figure
from components.report.figures.raw_scores import scores_figure
from components.report.figures.style_closeness import closeness_by_arm, style_figure
from components.report.figures.support import support_figure
from components.report.not_measured import not_measured
from components.report.number_links import Links
from components.report.page_inputs import (
    ExampleOutput,
    PolicyLimits,
    ReportExtras,
    SiblingLink,
    StudyClaim,
    StudyEntry,
)
from components.report.preference_sheets import preference_sheets
from components.report.reading_sheets import reading_sheets
from components.report.row_sources import sources_of
from components.report.sheets import Sheet, pooled_sheet, scores_sheet, style_sheet, tests_sheet
from components.report.study_view import study_sheet
from components.report.support_sheets import support_sheet
from components.report.wording import (
    MISSING,
    VERDICT_MEANINGS,
    VERDICT_TITLES,
    clean,
    finite,
    gate_words,
    interval,
    model_names,
    percent,
    ratio,
    typeset,
)

__all__ = [
    "ExampleOutput",
    "PolicyLimits",
    "ReportExtras",
    "SiblingLink",
    "StudyClaim",
    "StudyEntry",
    "render_html",
    "render_study_html",
]

MAX_EXAMPLES = 12
MAX_EXAMPLE_CHARS = 4000
_SCHEME = re.compile(r"^\s*([a-z][a-z0-9+.-]*:|//|\\)", re.IGNORECASE)


@dataclass(frozen=True)
class KeyFigure:
    """One of the large numbers under the verdict."""

    label: str
    value: str
    detail: str
    address: str = ""
    """Of the number, for `touchstone verdict --show`."""


@dataclass(frozen=True)
class Node:
    """A piece of provenance: a leaf with text, or named children."""

    name: str
    text: str = ""
    children: tuple[Node, ...] = ()


def render_html(verdict: Verdict, *, extras: ReportExtras | None = None) -> str:
    """The verdict as one page.

    Args:
        verdict: What to show; nothing is computed anew.
        extras: Title, model names, policy lines, example outputs, links. A verdict alone makes a complete page.
    """
    extras = extras or ReportExtras()
    limits = extras.limits or PolicyLimits.from_provenance(verdict.provenance)
    names = model_names(verdict, extras.models)
    sources = tuple(s.model_copy(update={"href": safe_href(s.href) or ""}) for s in extras.sources)
    links = Links(verdict, sources, extras.command, extras.costs)
    return page_template("report.html.j2").render(
        verdict=verdict,
        extras=extras,
        limits=limits,
        names=names,
        page_title=clean(extras.title or names["imitator"]),
        words=VERDICT_TITLES,
        meanings=VERDICT_MEANINGS,
        level=interval_level(limits),
        code=in_code,
        gate=gate_words(verdict),
        key_figures=key_figures(verdict, names),
        figures={
            "gap": Markup(gap_closed_figure(verdict, limits)),
            "scores": Markup(scores_figure(verdict)),
            "style": Markup(style_figure(verdict.style, limits)),
            "contrast": Markup(contrast_figure(verdict, names)),
            "attribution": Markup(taken_for_target_figure(verdict.attribution)),
            "support": Markup(support_figure(verdict.support_map)),
            "loss": Markup(loss_figure(extras.course)),
            "data": Markup(flow_figure(verdict.data.figures if verdict.data else ())),
        },
        link=links.to,
        sheets=[*map(links.sheet, all_sheets(verdict))],
        data_sheets=[*map(links.sheet, data_sheets(verdict))],
        whose=attribution_sentences(verdict.attribution, verdict.pooled.all) if verdict.attribution else (),
        examples=[shortened(example) for example in extras.examples[:MAX_EXAMPLES]],
        wrong=[shortened(example) for example in extras.sure_and_wrong[:MAX_EXAMPLES]],
        deciding=deciding(verdict),
        unmeasured=[(gap.what, in_code(gap.remedy)) for gap in not_measured(verdict)],
        sources=[source for source in sources if source.digest],
        costs=links.sheet(cost_sheet(extras.costs)),
        from_rows=lambda key: sources_of(key, extras.sources),
        siblings=[(link, safe_href(link.href)) for link in extras.siblings],
        provenance=provenance_nodes(verdict.provenance),
    )


def render_study_html(
    entries: Sequence[StudyEntry],
    *,
    claims: Sequence[StudyClaim] = (),
    title: str = "Imitation study",
    generated_at: str | None = None,
) -> str:
    """Several verdicts side by side, with the claims the study was to show."""
    limits = PolicyLimits.from_provenance(entries[0].verdict.provenance) if entries else PolicyLimits()
    closeness = [
        (entry.name, entry.verdict.style.closeness, entry.verdict.style.ci, entry.verdict.style.reason or "")
        for entry in entries
    ]
    return page_template("study.html.j2").render(
        page_title=clean(title),
        entries=[(entry, safe_href(entry.href)) for entry in entries],
        claims=claims,
        words=VERDICT_TITLES,
        meanings=VERDICT_MEANINGS,
        sheet=study_sheet(entries),
        figures={
            "scores": Markup(arms_figure(entries)),
            "style": Markup(closeness_by_arm(closeness, limits)) if entries else Markup(""),
        },
        generated_at=generated_at,
        level=interval_level(limits),
    )


def in_code(words: str) -> Markup:
    """A sentence with what stands between backquotes set as code."""
    parts = clean(words).split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else typeset(part) for number, part in enumerate(parts)
    )


@cache
def _environment() -> Environment:
    loader = FileSystemLoader(Path(__file__).parent / "templates")
    made = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printed,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["typeset"] = typeset
    return made


def _printed(value: object) -> object:
    """Every printed value: no control characters, and never the word None."""
    if value is None:
        return MISSING
    return clean(value) if type(value) is str else value


def page_template(name: str) -> Template:
    """One of the pages' templates: text is escaped, a missing name is an error."""
    return _environment().get_template(name)


def all_sheets(verdict: Verdict) -> list[Sheet]:
    """Tables of scores, style, preference and readings, those that have something to show."""
    sheets = [scores_sheet(verdict), tests_sheet(verdict), pooled_sheet(verdict)] if verdict.benchmarks else []
    if verdict.style.metrics:
        sheets.append(style_sheet(verdict))
    sheets += attribution_sheets(verdict.attribution)
    if verdict.support_map is not None:
        sheets.append(support_sheet(verdict.support_map))
    return [*sheets, *preference_sheets(verdict), *reading_sheets(verdict)]


def interval_level(limits: PolicyLimits) -> str:
    """`95% intervals`, or `Intervals` when the policy's alpha is not recorded."""
    return "Intervals" if limits.alpha is None else f"{100 * (1 - limits.alpha):g}% intervals"


def key_figures(verdict: Verdict, names: Mapping[str, str]) -> tuple[KeyFigure, ...]:
    """Gap closed, closeness, preference: the three numbers the verdict turns on."""
    pooled, style = verdict.pooled.all, verdict.style
    many = f"over {len(pooled.benchmarks)} benchmarks" if len(pooled.benchmarks) != 1 else f"on {pooled.benchmarks[0]}"
    gap = KeyFigure(
        "Gap to the target closed",
        ratio(pooled.gap_closed),
        _detail(interval(pooled.ci, ratio), many if pooled.benchmarks else "", pooled.reason),
        "pooled.all.gap_closed",
    )
    measured = finite(style.closeness) is not None
    close = KeyFigure(
        "Style closeness to the target",
        f"at least {ratio(style.closeness)}" if style.lower_bound and measured else ratio(style.closeness),
        _detail(interval(style.ci, ratio), f"{style.n:,} prompts" if style.n else "", style.reason),
        "style.closeness",
    )
    if not verdict.preference:
        return gap, close, KeyFigure("Preferred to the target", MISSING, "no judgments were given")
    first = verdict.preference[0]
    liked = KeyFigure(
        f"At least as good as {first.opponent}",
        percent(first.at_least_target),
        _detail(interval(first.ci, percent), f"{first.n:,} prompts, {first.source}", first.note),
        "preference.1.at_least_target",
    )
    return gap, close, liked


def _detail(spread_words: str, about: str, reason: str | None) -> str:
    parts = [spread_words or (reason or "no interval"), about]
    return typeset(", ".join(part for part in parts if part))


def safe_href(href: str) -> str | None:
    """The address if it stays beside this file; None for anything with a scheme, which is then only printed."""
    return None if _SCHEME.match(href) or not href.strip() else href


def shortened(example: ExampleOutput) -> ExampleOutput:
    """The example with each text cut to a readable length, and the cut announced."""
    texts = {name: getattr(example, name) for name in ("prompt", "base", "imitator", "target")}
    return example.model_copy(update={name: _cut(text) for name, text in texts.items()})


def _cut(text: str | None) -> str | None:
    if text is None:
        return None
    text = clean(text)
    over = len(text) - MAX_EXAMPLE_CHARS
    return text if over <= 0 else f"{text[:MAX_EXAMPLE_CHARS]}… ({over:,} more characters)"


def provenance_nodes(value: object) -> tuple[Node, ...]:
    """Any JSON value as named nodes, so that the template needs to know no type."""
    if isinstance(value, Mapping):
        return tuple(_node(str(key).replace("_", " "), item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return tuple(_node(str(i), item) for i, item in enumerate(value, start=1))
    return (_node("", value),)


def _node(name: str, value: object) -> Node:
    if isinstance(value, list | tuple) and value and all(isinstance(item, str | int) for item in value):
        return Node(clean(name), clean(", ".join(map(str, value))))
    if isinstance(value, Mapping | list | tuple):
        return Node(clean(name), "" if value else "none", provenance_nodes(value) if value else ())
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return Node(clean(name), MISSING)
    if isinstance(value, bool):
        return Node(clean(name), "yes" if value else "no")
    return Node(clean(name), clean(str(value)))
