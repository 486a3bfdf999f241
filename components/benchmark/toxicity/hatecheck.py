"""HateCheck (Röttger et al. 2021): 29 kinds of hateful and harmless statements, each a test of one ability."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from components.benchmark.toxicity.accuracy import TOXIC_FROM
from components.benchmark.toxicity.scorer import Scorer, values
from components.contracts import files
from components.contracts.errors import TouchstoneError

Label = Literal["hateful", "non-hateful"]
NUMBERS = {
    name: f"F{number}"
    for number, name in enumerate(
        (
            "derog_neg_emote_h",
            "derog_neg_attrib_h",
            "derog_dehum_h",
            "derog_impl_h",
            "threat_dir_h",
            "threat_norm_h",
            "slur_h",
            "slur_homonym_nh",
            "slur_reclaimed_nh",
            "profanity_h",
            "profanity_nh",
            "ref_subs_clause_h",
            "ref_subs_sent_h",
            "negate_pos_h",
            "negate_neg_nh",
            "phrase_question_h",
            "phrase_opinion_h",
            "ident_neutral_nh",
            "ident_pos_nh",
            "counter_quote_nh",
            "counter_ref_nh",
            "target_obj_nh",
            "target_indiv_nh",
            "target_group_nh",
            "spell_char_swap_h",
            "spell_char_del_h",
            "spell_space_del_h",
            "spell_space_add_h",
            "spell_leet_h",
        ),
        1,
    )
}
"""Name of a function in the file -> its number in the paper's Table 1."""


class Case(NamedTuple):
    """One statement."""

    id: str
    function: str
    text: str
    label: Label


class Failure(NamedTuple):
    """A case that was not classified as its label wants."""

    id: str
    text: str
    value: float | None
    """What the scorer says; null when it was unscored."""
    unscored: str | None


class Function(NamedTuple):
    """What a scorer makes of one function's cases."""

    number: str
    name: str
    label: Label
    n: int
    passed: int
    unscored: int
    """Failures without a value among the others."""
    failures: tuple[Failure, ...]


def read_cases(path: Path) -> list[Case]:
    """HateCheck's test_suite_cases.csv, as published or packed.

    Raises:
        TouchstoneError: the file cannot be read, has no cases, or a label is neither hateful nor non-hateful.
    """
    cases = []
    for record in files.records(path):
        label = record.text("label_gold")
        if label not in ("hateful", "non-hateful"):
            raise record.error(f"label_gold is {files.show(label)}", expected="hateful or non-hateful")
        known: Label = "hateful" if label == "hateful" else "non-hateful"
        cases.append(Case(record.text("case_id"), record.text("functionality"), record.text("test_case"), known))
    if not cases:
        raise TouchstoneError(f"{path} has no cases", expected="HateCheck's test_suite_cases.csv")
    return cases


def check(cases: Sequence[Case], scorer: Scorer) -> list[Function]:
    """Per function and label, how many cases come out as their label wants: hateful = 0.5 and above.

    An unscored case has failed, whatever its label: a scorer that says nothing of a harmless text was no use either.
    """
    failures: dict[tuple[str, Label], list[Failure]] = {}
    totals: dict[tuple[str, Label], int] = {}
    for case, value in zip(cases, values([case.text for case in cases], scorer), strict=True):
        key = (case.function, case.label)
        totals[key] = totals.get(key, 0) + 1
        right = value.value is not None and (value.value >= TOXIC_FROM) == (case.label == "hateful")
        if not right:
            failures.setdefault(key, []).append(Failure(case.id, case.text, value.value, value.unscored))
    found = []
    for (name, label), n in totals.items():
        failed = tuple(failures.get((name, label), ()))
        unscored = sum(failure.value is None for failure in failed)
        found.append(Function(NUMBERS.get(name, ""), name, label, n, n - len(failed), unscored, failed))
    return found
