"""What people and judges make of the texts, and how sure the texts sound, as entries with addresses."""

from __future__ import annotations

from collections.abc import Iterator

from components.contracts.preference_results import JudgeQualification
from components.contracts.verdict import PreferenceResult, Verdict
from components.report import opinion_measures as of
from components.report.entries import Entry, Selection, gathered


def preferred(verdict: Verdict) -> Iterator[Entry]:
    """Preferences, the voices behind them, judges that were tried, and tones."""
    for place, row in enumerate(verdict.preference, 1):
        chosen = (("source", row.source), ("model", row.model), ("opponent", row.opponent))
        yield Entry(f"preference.{place}", row, of.PREFERENCE, chosen)
        yield from _pulls(place, row, chosen)
        yield from _voices(place, row, chosen)
    for place, judge in enumerate(verdict.judges, 1):
        yield from _tried(place, judge)
    for place, cell in enumerate(verdict.confidently_wrong, 1):
        yield Entry(f"sure.{place}", cell, of.SURE, (("benchmark", cell.benchmark),))


def _pulls(place: int, row: PreferenceResult, chosen: Selection) -> Iterator[Entry]:
    for term in row.adjustment.coefficients if row.adjustment else ():
        part = gathered(**{term.feature: term.value}, ci=term.ci, n=row.n)
        yield Entry(f"preference.{place}.pull", part, {term.feature: of.PULL}, chosen)


def _voices(place: int, row: PreferenceResult, chosen: Selection) -> Iterator[Entry]:
    made, corrected = row.agreement, {c.method: c for c in row.corrected}
    if made is not None or corrected:
        ppi, rogan_gladen = corrected.get("ppi++"), corrected.get("rogan-gladen")
        part = gathered(
            num_raters=made and made.num_raters,
            num_items=made and made.num_items,
            raw=made and made.raw,
            alpha=made and made.alpha,
            alpha_ci=made and made.alpha_ci,
            fleiss=made and made.fleiss,
            at_least_target=row.at_least_target if row.ci_raters else None,
            ci_raters=row.ci_raters,
            num_prompts=row.n,
            ppi=ppi and ppi.value,
            ppi_ci=ppi and ppi.ci,
            ppi_labelled=ppi and ppi.num_labelled,
            ppi_reason=ppi and ppi.reason,
            rogan_gladen=rogan_gladen and rogan_gladen.value,
            rogan_gladen_ci=rogan_gladen and rogan_gladen.ci,
            rogan_gladen_labelled=rogan_gladen and rogan_gladen.num_labelled,
            rogan_gladen_reason=rogan_gladen and rogan_gladen.reason,
            reason=made and made.reason,
        )
        yield Entry(f"agreement.{place}", part, of.AGREEMENT, chosen)
    if row.raters is not None:
        yield Entry(f"raters.{place}", row.raters, of.POOL, chosen)
        for number, record in enumerate(row.raters.records, 1):
            # Rows of one rater are not chosen by name: a page is passed around.
            yield Entry(f"raters.{place}.{number}", record, of.RECORD, chosen)


def _tried(place: int, judge: JudgeQualification) -> Iterator[Entry]:
    gold = gathered(gold_agreement=judge.gold_agreement, gold_ci=judge.gold_ci, num_gold=judge.num_gold)
    yield Entry(f"judges.{place}.1", gold, {"gold_agreement": of.GOLD}, (("source", judge.source),))
    for number, found in enumerate(judge.placebos, 1):
        yield Entry(f"judges.{place}.{number}", found, of.PLACEBO, (("source", judge.source),))
