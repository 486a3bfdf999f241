"""attribution.html: whose hand the texts seem to be, on one page."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from components.contracts.attribution_rows import Attribution, MapPoint
from components.report.figures.attribution import CLASSIFIERS, accuracy_figure, map_figure, taken_for_target_figure
from components.report.html import page_template
from components.report.sheets import Cell, Column, Sheet
from components.report.wording import clean, count, interval, percent

ROLES = {"base": "Base", "imitator": "Imitator", "target": "Target", "target_second": "Target, second sample"}


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
    of_models = {"base", "imitator", "target"} <= {row.author for row in rows}
    found = model_findings(rows, apart) if of_models else author_findings(rows)
    shares = taken_for_target_figure(rows) if of_models else accuracy_figure(rows)
    return page_template("attribution.html.j2").render(
        page_title=clean(title),
        findings=[*found, *([note] if note else [])],
        of_models=of_models,
        ceiling="second sample" if any(row.author == "target_second" for row in rows) else "on other prompts",
        figures={"shares": Markup(shares), "map": Markup(map_figure(points))},
        sheets=[taken_sheet(rows), apart_sheet(apart)] if of_models and apart else [_main_sheet(rows, of_models)],
        reading=_reading(rows, model),
    )


def headline(rows: Sequence[Attribution]) -> str:
    """The classifier whose numbers speak first: the first that was asked. Not the best on these texts, which would be
    flattered by the choice."""
    return rows[0].classifier


def model_findings(rows: Sequence[Attribution], apart: Sequence[Attribution]) -> list[str]:
    """What came out for base, imitator and target, in sentences."""
    name = headline(rows)
    shares = {row.author: share for row in rows if row.classifier == name and (share := row.to("target"))}
    said = {role: f"{percent(s.share)} ({interval(s.ci, percent)})" for role, s in shares.items()}
    ceiling = f", and of its second sample {said['target_second']}" if "target_second" in said else ""
    found = [
        f"{said['imitator']} of the imitator’s answers are taken for the target’s; of the base’s {said['base']},"
        f" of the target’s own {said['target']}{ceiling} ({CLASSIFIERS[name].lower()})."
    ]
    if apart:
        row = apart[0]
        found.append(
            f"Asked to tell the imitator from the target, the same classifier is right about {percent(row.accuracy)}"
            f" ({interval(row.accuracy_ci, percent)}); guessing is right about {percent(row.chance)}."
        )
    return [*found, "This is style alone: no classifier looks at whether an answer is right."]


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


def taken_sheet(rows: Sequence[Attribution]) -> Sheet:
    """Share taken for the target's, classifiers down, roles across."""
    roles = [role for role in ROLES if any(row.author == role for row in rows)]
    columns = (
        Column("Classifier", numeric=False),
        *(Column(ROLES[role], "taken for the target’s") for role in roles),
        Column("Right", "base and target, on other prompts"),
        Column("n", "answers of the imitator"),
    )
    body = []
    for name in _names(rows):
        if name == "majority":  # takes nothing or everything for the target's
            continue
        by_role = {row.author: row for row in rows if row.classifier == name}
        cells = [Cell(CLASSIFIERS[name])]
        for role in roles:
            share = by_role[role].to("target") if role in by_role else None
            cells.append(Cell(percent(share.share), interval(share.ci, percent)) if share else Cell("–"))
        first = by_role["imitator"]
        unscored = f"{count(first.unscored)} unscored" if first.unscored else ""
        cells += [Cell(percent(first.accuracy), interval(first.accuracy_ci, percent))]
        cells += [Cell(count(first.num_texts), unscored)]
        body.append(tuple(cells))
    return Sheet("taken", "Whose the answers are taken for", columns, tuple(body), ())


def apart_sheet(rows: Sequence[Attribution]) -> Sheet:
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


def _main_sheet(rows: Sequence[Attribution], of_models: bool) -> Sheet:
    return taken_sheet(rows) if of_models else apart_sheet(rows)


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
    left = [f"{count(unscored)} texts were asked of nobody: empty, repeated or without embedding."] if unscored else []
    return [
        f"{how} They take the classifiers as they are.",
        seen,
        *left,
        "Character trigrams, frequent words and surface need no model. Where they do as well as embeddings, style is on"
        " the surface.",
    ]
