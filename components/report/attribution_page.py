"""attribution.html: whose hand the texts seem to be, on one page."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from components.contracts.attribution_rows import Attribution, MapPoint
from components.report.attribution_result import attribution_result
from components.report.attribution_sheets import CLASSIFIERS, attribution_sentences, attribution_sheets
from components.report.figures.attribution import accuracy_figure, map_figure, taken_for_target_figure
from components.report.html import page_template
from components.report.sheets import Cell, Column, Sheet
from components.report.wording import clean, count, interval, percent


def render_attribution_html(
    rows: Sequence[Attribution],
    points: Sequence[MapPoint] = (),
    *,
    apart: Sequence[Attribution] = (),
    title: str,
    model: str = "",
    note: str = "",
) -> str:
    """The page.

    Args:
        rows: Of models, base and target as candidates; of other texts, all authors.
        points: The map; none = no map.
        apart: Of models, imitator and target as candidates.
        title: Its heading.
        model: What the embeddings are of; empty = there are none.
        note: A sentence to go with the findings.
    """
    result = attribution_result(rows, apart) if _of_a_comparison(rows) else None
    found = attribution_sentences(result) if result else author_findings(rows)
    return page_template("attribution.html.j2").render(
        page_title=clean(title),
        findings=[*found, *([note] if note else [])],
        of_models=result is not None,
        ceiling="second sample" if result and result.headline.target_second else "on other prompts",
        figures={
            "shares": Markup(taken_for_target_figure(result) if result else accuracy_figure(rows)),
            "map": Markup(map_figure(points)),
        },
        sheets=attribution_sheets(result) if result else [authors_sheet(rows)],
        reading=_reading(rows, model),
    )


def _of_a_comparison(rows: Sequence[Attribution]) -> bool:
    candidates = {share.author for share in rows[0].shares}
    return candidates == {"base", "target"} and any(row.author == "imitator" for row in rows)


def author_findings(rows: Sequence[Attribution]) -> list[str]:
    """What came out for texts of any authors, in sentences."""
    best = {name: next(row for row in rows if row.classifier == name) for name in _names(rows)}
    found = []
    for name, row in best.items():
        if name == "majority":
            continue
        right = f"{percent(row.accuracy)} ({interval(row.accuracy_ci, percent)})"
        found.append(f"{CLASSIFIERS[name]}: {right} of {count(row.num_tested)} texts given to their author.")
    return [f"{len(rows[0].shares)} authors; always naming one is right about {percent(rows[0].chance)}.", *found]


def authors_sheet(rows: Sequence[Attribution]) -> Sheet:
    """How well one author is told from another."""
    columns = (
        Column("Classifier", numeric=False),
        Column("Right"),
        Column("By chance", "always naming the author with the most texts"),
        Column("n", "texts asked about"),
    )
    body = []
    for name in _names(rows):
        row = next(row for row in rows if row.classifier == name)
        cells = (
            Cell(CLASSIFIERS[name]),
            Cell(percent(row.accuracy), interval(row.accuracy_ci, percent)),
            Cell(percent(row.chance)),
            Cell(count(row.num_tested)),
        )
        body.append(cells)
    authors = sorted(share.author for share in rows[0].shares)
    caption = f"{' and '.join(authors)} told apart" if len(authors) == 2 else f"{len(authors)} authors told apart"
    return Sheet("apart", caption.capitalize(), columns, tuple(body), ())


def _names(rows: Sequence[Attribution]) -> list[str]:
    return list(dict.fromkeys(row.classifier for row in rows))


def _reading(rows: Sequence[Attribution], model: str) -> list[str]:
    first = rows[0]
    if first.resampled == "author":
        how = "Texts were learned from and asked about as the given split says; intervals resample authors."
    else:
        how = f"{first.folds} tests over groups of texts, each group asked about once; intervals resample groups."
    unscored = sum(row.unscored for row in rows if row.classifier == first.classifier)
    seen = f"Embeddings are mean hidden states of {model}." if model else "No language model was asked: surface alone."
    texts = "1 text was" if unscored == 1 else f"{count(unscored)} texts were"
    left = [f"{texts} asked of nobody: empty, repeated or without embedding."] if unscored else []
    return [
        f"{how} They take the classifiers as they are.",
        seen,
        *left,
        "Character trigrams, frequent words and surface need no model. Where they do as well as embeddings, style is on"
        " the surface.",
    ]
