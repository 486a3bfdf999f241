"""Whose hand the audited answers seem to be, on their surface: no language model is asked."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

from components.attribution.step import attribute, prepare_attribution
from components.contracts import bind
from components.contracts.attribution_rows import Attribution, AuthoredText, Classifier
from components.contracts.data_rows import Overlap
from components.contracts.ports import Input, write_rows
from components.contracts.rows import Role
from components.contracts.verdict import Verdict
from components.report.policy import Policy

LEAST_PROMPTS = 20
"""Fewer teach a classifier what a prompt is about rather than who answered it."""
MOST_PROMPTS = 1_000
"""More make intervals no narrower than a reader needs, and an audit slow."""
CLASSIFIERS: tuple[Classifier, ...] = ("char_ngrams", "surface")
QUESTIONS = {"attributions": ("base", "target"), "told_apart": ("imitator", "target")}
"""Port of the report -> who is told from whom."""


def attribute_outputs(rows: Path, policy: Policy) -> list[str]:
    """Ask both questions of the outputs below `rows` and put the answers beside them; gives what a reader must know.

    Prompts that the imitation data repeat are left out, as they are for style.

    Args:
        rows: Folder with every role's outputs and, where the imitation data were searched, `overlap`.
        policy: Its alpha is the intervals'; its part `data` says what counts as repeated.
    """
    roles: tuple[Role, ...] = ("base", "imitator", "target", "target_second")
    ports = {role: rows / f"{role}_outputs" for role in roles}
    with tempfile.TemporaryDirectory() as place:
        aside = Path(place)
        bind.call(prepare_attribution, params={}, texts=aside / "answered", **ports)
        texts, remarks = _chosen(Input(aside / "answered", AuthoredText).rows(), _repeated(rows, policy))
        if texts:
            write_rows(aside / "texts", AuthoredText, texts)
            _ask(rows, aside, policy.alpha)
        return remarks


def _repeated(rows: Path, policy: Policy) -> set[str]:
    from components.report.imitation_data import leaked_prompts

    return (
        set(leaked_prompts(Input(rows / "overlap", Overlap).iter_rows(), policy))
        if (rows / "overlap").exists()
        else set()
    )


def _chosen(texts: Sequence[AuthoredText], repeated: set[str]) -> tuple[list[AuthoredText], list[str]]:
    """Texts that are asked about; none of too few prompts, and of very many some, drawn by hash."""
    prompts = {row.group for row in texts} - repeated
    if len(prompts) < LEAST_PROMPTS:
        return [], [
            f"Whose hand the answers seem to be was not asked: {len(prompts)} prompts are too few to learn from"
            f" ({LEAST_PROMPTS} would do)."
        ]
    drawn = sorted(prompts, key=lambda prompt: hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).digest())
    kept = set(drawn[:MOST_PROMPTS])
    few = f"Whose hand: asked of {len(kept):,} of {len(prompts):,} prompts, drawn by hash."
    return [row for row in texts if row.group in kept], [few] if len(kept) < len(prompts) else []


def _ask(rows: Path, aside: Path, alpha: float) -> None:
    params = {
        "candidates": QUESTIONS["attributions"],
        "apart": QUESTIONS["told_apart"],
        "classifiers": CLASSIFIERS,
        "map": False,
        "alpha": alpha,
    }
    ports = {"attribution": rows / "attributions", "attributed": rows / "attributed"}
    ports |= {name: rows / name for name in ("told_apart", "told_apart_texts")}
    bind.call(attribute, params=params, texts=aside / "texts", points=aside / "points", **ports)


def with_attribution(verdict: Verdict, rows: Path, *, made_at: float | None = None) -> Verdict:
    """The verdict with what the rows say of whose hand the answers seem to be; the same where nobody was asked.

    Args:
        verdict: On these rows.
        rows: Folder with the ports of `QUESTIONS`.
        made_at: Alpha of their intervals, where the verdict is by another.
    """
    from components.report.attribution_result import attribution_result

    found = {name: Input(rows / name, Attribution).rows() for name in QUESTIONS if (rows / name).exists()}
    if "attributions" not in found:
        return verdict
    result = attribution_result(found["attributions"], found.get("told_apart", ()))
    said = () if made_at is None else (f"Whose hand: intervals are the audit's own, at alpha {made_at:g}.",)
    return verdict.model_copy(update={"attribution": result, "warnings": (*verdict.warnings, *said)})
