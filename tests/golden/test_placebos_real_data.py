"""Placebos of real answers: the log, what must stay, and what simple judges make of them."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from components.contracts import bind
from components.contracts.environment import data_folder
from components.contracts.evidence_rows import Judgment
from components.contracts.judge_policy import JudgePolicy
from components.contracts.ports import Input, write_rows
from components.contracts.preference_results import JudgeQualification
from components.contracts.preference_rows import Alteration
from components.contracts.rows import Completion
from components.contracts.unjudged import no_answer_by
from components.placebo.alterations import replay
from components.placebo.lexicon import read_yaml
from components.placebo.restyling import dress_of
from components.placebo.step import make_placebos
from components.report.preferring.qualification import qualify
from components.style.structure import has_list, has_summary

DATA = data_folder(Path(__file__).parents[3] / "shared" / "data")
OUTPUTS = DATA / "alpaca-eval" / "outputs"
BASE, TARGET = "alpaca-7b", "gpt-3.5-turbo-0301"
ARMS = ("restyled_base", "stylistic_base", "corrupted_target", "constant")

pytestmark = pytest.mark.skipif(not OUTPUTS.is_dir(), reason=f"real data absent: {OUTPUTS}")


@cache
def _answers(model: str) -> dict[str, Completion]:
    with gzip.open(OUTPUTS / f"{model}.json.gz", "rt", encoding="utf-8") as stream:
        texts = {row["instruction"]: row["output"] for row in json.load(stream)}
    return {p: Completion(prompt_id=p, model=model, prompt=p, text=text) for p, text in texts.items()}


class Placebos:
    """What the step made of the two models' answers."""

    def __init__(self, folder: Path) -> None:
        for role, model in (("base", BASE), ("target", TARGET)):
            write_rows(folder / role, Completion, _answers(model).values())
        outputs = {arm: folder / arm for arm in (*ARMS, "alterations")}
        self.metrics = dict(
            bind.call(make_placebos, params={}, base=folder / "base", target=folder / "target", **outputs).metrics
        )
        self.rows = {arm: {r.prompt_id: r for r in Input(folder / arm, Completion).rows()} for arm in ARMS}
        self.log: dict[tuple[str, str], list[Alteration]] = {}
        for row in Input(folder / "alterations", Alteration).iter_rows():
            self.log.setdefault((row.arm, row.prompt_id), []).append(row)


@pytest.fixture(scope="module")
def placebos(tmp_path_factory: pytest.TempPathFactory) -> Placebos:
    return Placebos(tmp_path_factory.mktemp("placebos"))


def _made(placebos: Placebos, arm: str) -> Iterator[tuple[str, str, list[Alteration]]]:
    """(original, placebo, log) of every answer that could be made."""
    originals = _answers(BASE if arm == "restyled_base" else TARGET)
    for prompt, row in placebos.rows[arm].items():
        if row.unanswered is None:
            yield originals[prompt].text, row.text, placebos.log[arm, prompt]


@pytest.mark.parametrize("arm", ["restyled_base", "corrupted_target"])
def test_the_log_applied_to_every_original_gives_the_placebo(placebos: Placebos, arm: str) -> None:
    made = list(_made(placebos, arm))
    assert len(made) > 700
    for original, placebo, log in made:
        assert replay(original, log) == placebo
        assert placebo != original


def test_nine_in_ten_answers_can_be_corrupted_and_the_rest_say_why(placebos: Placebos) -> None:
    rows = placebos.rows["corrupted_target"].values()
    assert len(rows) == 805
    assert placebos.metrics["corrupted_share"] == pytest.approx(0.898, abs=0.005)
    assert all((row.text == "") is (row.unanswered is not None) for row in rows)


def test_corruption_leaves_length_lists_summaries_and_code_as_they_are(placebos: Placebos) -> None:
    made = list(_made(placebos, "corrupted_target"))
    for original, placebo, _ in made:
        assert has_list(placebo) == has_list(original)
        assert has_summary(placebo) == has_summary(original)
        assert re.findall(r"```.*?```", placebo, re.DOTALL) == re.findall(r"```.*?```", original, re.DOTALL)
        marks = r"^[ \t]*(?:[-*•]|\d{1,3}[.)])[ \t]"
        assert re.findall(marks, placebo, re.MULTILINE) == re.findall(marks, original, re.MULTILINE)
    assert sum(len(p) for _, p, _ in made) == pytest.approx(sum(len(o) for o, _, _ in made), rel=0.01)


def test_restyling_takes_no_word_away_and_adds_none_but_its_phrases(placebos: Placebos) -> None:
    phrases = read_yaml("dress")
    allowed = {phrase for kind in ("openings", "closings", "headings") for phrase in phrases[kind]}
    for _, _, log in _made(placebos, "restyled_base"):
        for row in log:
            # What gives way is blank, or a comma or conjunction between the members of an enumeration.
            assert re.fullmatch(r"\s*|,? (?:(?:and|or) )?", row.before)
            assert row.after.strip(" \n#") in allowed or re.fullmatch(r":?\s*(?:-|\d+\.) |\*\*", row.after)


def test_the_restyled_base_wears_the_targets_dress(placebos: Placebos) -> None:
    base, target, placebo = (
        {p: row.text for p, row in rows.items()}
        for rows in (_answers(BASE), _answers(TARGET), placebos.rows["restyled_base"])
    )
    listed = [p for p in placebo if has_list(target[p])]
    before, after = (sum(has_list(texts[p]) for p in listed) / len(listed) for texts in (base, placebo))
    # From 23% of the target's lists (method section 4) to more than half; short answers have nothing to list.
    assert before == pytest.approx(0.23, abs=0.01)
    assert after > 0.5
    closing = [p for p in placebo if dress_of(target[p]).closing and placebo[p]]
    assert all(has_summary(placebo[p]) for p in closing)


def _judge(placebos: Placebos, name: str, likes: Callable[[str], float]) -> JudgeQualification:
    """A judge that reads one number off an answer and prefers the larger."""
    target = _answers(TARGET)
    rows = []
    for arm in ("restyled_base", "corrupted_target", "constant"):
        for prompt, row in placebos.rows[arm].items():
            mine, other = likes(row.text), likes(target[prompt].text)
            outcome = None if row.unanswered else "win" if mine > other else "loss" if mine < other else "tie"
            rows.append(
                Judgment.model_validate(
                    {
                        "prompt_id": prompt,
                        "source": name,
                        "rater": name,
                        "model": row.model,
                        "opponent": TARGET,
                        "outcome": outcome,
                        "unscored": no_answer_by(row.model, row.unanswered) if row.unanswered else None,
                        "order": "none",
                    }
                )
            )
    policy = JudgePolicy(min_gold=0)
    (found,) = qualify(
        rows, [], policy, max_unscored=0.02, models={"target": TARGET}, alpha=0.05, resamples=2000, seed=0
    )
    return found


@pytest.mark.parametrize(
    ("name", "likes"),
    [
        # In hundreds of characters: a few more or less are not seen.
        ("length", lambda text: len(text) // 100),
        ("markdown", lambda text: len(re.findall(r"^\s*(?:[-*]|\d+\.) |\*\*", text, re.MULTILINE))),
    ],
)
def test_judges_of_the_surface_do_not_qualify(placebos: Placebos, name: str, likes: Callable[[str], float]) -> None:
    found = _judge(placebos, name, likes)
    fooled = {row.arm: row.fooled for row in found.placebos}
    assert fooled["corrupted_target"]
    assert fooled["constant"]
    assert not found.qualified
    corrupted = next(row for row in found.placebos if row.arm == "corrupted_target")
    assert corrupted.n + corrupted.unscored == 805
    assert corrupted.opponent_preferred == pytest.approx(0.5, abs=0.05)


def test_a_judge_that_knows_the_targets_words_qualifies(placebos: Placebos) -> None:
    # The one judge of facts that needs none: what the target said is right.
    right = {row.text for row in _answers(TARGET).values()}
    found = _judge(placebos, "oracle", lambda text: float(text in right))
    assert found.qualified
    assert {row.fooled for row in found.placebos} == {False}
