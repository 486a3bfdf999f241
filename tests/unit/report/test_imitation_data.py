"""What the report says of the imitation data: the change with and without leaked items, and what is passed on."""

from __future__ import annotations

import numpy as np
import pytest

from components.contracts.data_policy import DataPolicy
from components.contracts.data_rows import DataFigures, Overlap
from components.contracts.evidence_rows import GateCheck
from components.contracts.rows import Score
from components.report.decision import decide
from components.report.policy import Policy
from tests.unit.report.rows_for_tests import judgment, profiles, scores
from tests.unit.report.score_reference import tango


def overlap(n: int, dirty: set[int], *, benchmark: str = "nq") -> list[Overlap]:
    return [
        Overlap(
            item_id=f"i{i}", benchmark=benchmark, bleu=90.0 if i in dirty else 3.0, ngram8=None, ngram13=None,
            cosine=0.1, dirty=i in dirty,
        )
        for i in range(n)
    ]  # fmt: skip


def random_scores(n: int, *, learnt: set[int]) -> tuple[list[Score], list[Score]]:
    """A base, and an imitator that knows the answers of `learnt` and is as good as the base elsewhere."""
    rng = np.random.default_rng(0)
    base = rng.integers(0, 2, n).astype(float)
    imitator = np.where(rng.random(n) < 0.1, 1 - base, base)
    imitator[sorted(learnt)] = 1.0
    return scores(base.tolist(), model="base"), scores(imitator.tolist(), model="imitator")


def test_a_gain_that_comes_from_leaked_items_is_absent_from_the_clean_ones() -> None:
    leaked = set(range(0, 400, 4))
    base, imitator = random_scores(400, learnt=leaked)
    verdict = decide(base_scores=base, imitator_scores=imitator, overlap=overlap(400, leaked))
    assert verdict.data is not None
    (found,) = verdict.data.clean_dirty
    assert (found.n_clean, found.n_dirty) == (300, 100)
    assert found.delta_dirty_ci is not None
    assert found.delta_dirty_ci[0] > 0.3
    assert found.delta_clean_ci is not None
    assert found.delta_clean_ci[0] < 0 < found.delta_clean_ci[1]
    assert any("100 of 400 items count as leaked" in line for line in verdict.warnings)


def test_the_clean_change_and_its_interval_are_a_paired_t_interval_of_the_clean_items() -> None:
    leaked = {1, 5, 9}
    base, imitator = random_scores(60, learnt=set())
    found = decide(base_scores=base, imitator_scores=imitator, overlap=overlap(60, leaked)).data
    assert found is not None
    kept = [i for i in range(60) if i not in leaked]
    # Scores are never null here.
    differences = np.array([(imitator[i].value or 0.0) - (base[i].value or 0.0) for i in kept])
    assert found.clean_dirty[0].delta_clean == pytest.approx(differences.mean())
    assert found.clean_dirty[0].delta_clean_ci == pytest.approx(tango(differences), rel=1e-6)


def test_items_that_were_never_searched_for_are_neither_clean_nor_leaked() -> None:
    base, imitator = random_scores(50, learnt=set())
    found = decide(base_scores=base, imitator_scores=imitator, overlap=overlap(40, {3})).data
    assert found is not None
    assert (found.clean_dirty[0].n_clean, found.clean_dirty[0].n_dirty) == (39, 1)
    assert "10 items were not searched for" in str(found.clean_dirty[0].reason)
    assert found.clean_dirty[0].delta_dirty_ci is None


def test_a_warning_of_the_gate_is_said_before_any_number() -> None:
    check = GateCheck(name="at least 90% of replies are English", passed=False, severity="warning", observed="41%")
    base, imitator = random_scores(50, learnt=set())
    verdict = decide(base_scores=base, imitator_scores=imitator, checks=[check])
    assert "Imitation data: expected at least 90% of replies are English; 41%." in verdict.warnings


def test_what_the_data_are_does_not_decide() -> None:
    base, imitator = random_scores(200, learnt=set())
    figures = DataFigures(name="", dialogues=10, turns=20, imitation_words=99, terms={"unknown": 10})
    bare = decide(base_scores=base, imitator_scores=imitator)
    told = decide(base_scores=base, imitator_scores=imitator, figures=[figures], overlap=overlap(200, {1, 2}))
    assert bare.data is None
    assert told.data is not None
    same = {"data": None, "warnings": ()}
    assert told.model_copy(update=same) == bare.model_copy(update=same)


def test_what_counts_as_leaked_is_said_by_the_policy_that_decides() -> None:
    base, imitator = random_scores(50, learnt=set())
    lenient = Policy(data=DataPolicy(item_bleu=95.0))
    counted = [
        decide(base_scores=base, imitator_scores=imitator, overlap=overlap(50, {1, 2}), policy=policy).data
        for policy in (Policy(), lenient)
    ]
    assert [found and found.clean_dirty[0].n_dirty for found in counted] == [2, 0]


def test_prompts_that_training_repeats_count_neither_in_style_nor_in_preference() -> None:
    styles = profiles(0.8, n=60)
    prompts = sorted({row.prompt_id for row in styles})
    named = zip(overlap(3, {0, 1}, benchmark=""), prompts, strict=False)
    repeated = [row.model_copy(update={"item_id": prompt}) for row, prompt in named]
    judgments = [judgment(prompt, "win") for prompt in prompts]
    verdict = decide(profiles=styles, judgments=judgments, overlap=repeated)
    assert verdict.style.n == 58
    assert verdict.preference[0].n == 58
    assert any("2 prompts repeat a training text" in line for line in verdict.warnings)
