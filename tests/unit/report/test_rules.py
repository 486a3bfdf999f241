"""The five rules, each through `decide` on rows."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import PublishedScore, Support, SupportClaim
from components.contracts.verdict import Verdict
from components.report.decision import CHECKPOINT_NOTE, decide
from components.report.policy import Policy, load_policy
from tests.unit.report.rows_for_tests import counted, judgment, profiles, published, scores

STYLED = profiles(0.85, n=200)
PLAIN = profiles(0.05, n=200)


def _numbers(n: int = 14000, **closed: float) -> list[PublishedScore]:
    """Published scores: base .30, target .60, the imitator having closed the given share of the gap."""
    rows = []
    for name, share in closed.items():
        rows += published(name, {"base": 0.3, "imitator": 0.3 + 0.3 * share, "target": 0.6}, n=n, rounding=0.001)
    return rows


def _claims(**supported: bool) -> list[SupportClaim]:
    return [SupportClaim(benchmark=name, supported=value) for name, value in supported.items()]


def _decide(rows: Sequence[PublishedScore], claims: Mapping[str, bool] | None = None, **options: Any) -> Verdict:
    return decide(published=rows, claims=_claims(**(claims or {})), **{"profiles": STYLED, **options})


def _labels(verdict: Verdict) -> dict[str, str]:
    return {b.name: b.label for b in verdict.benchmarks}


def test_a_gain_on_benchmarks_outside_the_data_is_capability() -> None:
    verdict = _decide(_numbers(a=0.5, b=0.4, c=0.6), {"a": False, "b": False, "c": False})
    assert verdict.verdict == "CAPABILITY"
    assert verdict.reason.startswith(
        "The imitator does better on tasks its training data do not cover: over a, b and c"
    )
    assert verdict.gained == ("a", "b", "c")
    assert verdict.would_change == ()
    assert verdict.support == "known"


def test_a_gain_only_where_the_data_cover_is_local_and_predicted() -> None:
    verdict = _decide(_numbers(a=0.6, b=0.5, c=0.0), {"a": True, "b": True, "c": False})
    assert verdict.verdict == "LOCAL"
    assert "as its training data cover them" in verdict.reason
    assert "on c it closed at most" in verdict.reason
    assert verdict.pooled.supported.benchmarks == ("a", "b")


def test_a_single_gain_outside_the_data_is_local_and_not_predicted() -> None:
    verdict = _decide(_numbers(a=0.6, b=0.0, c=0.0), {"a": False, "b": False, "c": False})
    assert verdict.verdict == "LOCAL"
    assert "although its training data do not cover it" in verdict.reason


def test_no_gain_and_captured_style_is_style_only_with_its_losses() -> None:
    verdict = _decide(_numbers(a=0.0, b=-0.3))
    assert verdict.verdict == "STYLE_ONLY"
    assert verdict.regressed == ("b",)
    assert "b got worse by 9.0 points" in verdict.reason


def test_no_gain_and_no_style_is_inconclusive_and_says_which_is_missing() -> None:
    verdict = _decide(_numbers(a=0.0, b=0.0), profiles=PLAIN)
    assert verdict.verdict == "INCONCLUSIVE"
    assert any("style closeness must" in line for line in verdict.would_change)


def test_a_loss_without_style_is_regression() -> None:
    verdict = _decide(_numbers(a=0.0, b=-0.3), profiles=PLAIN)
    assert verdict.verdict == "REGRESSION"
    assert "b got worse by 9.0 points" in verdict.reason
    assert _decide(_numbers(a=0.0, b=-0.3), profiles=[]).verdict == "REGRESSION", "unknown style is not captured"


def test_style_from_too_few_prompts_is_not_captured() -> None:
    verdict = _decide(_numbers(a=0.0, b=0.0), profiles=profiles(0.9, n=20))
    assert verdict.verdict == "INCONCLUSIVE"
    assert any("20 prompts, at least 30 are needed" in line for line in verdict.would_change)


def test_few_items_are_inconclusive_with_the_number_that_would_do() -> None:
    verdict = _decide(_numbers(a=0.05, b=0.05, n=200))
    assert verdict.verdict == "INCONCLUSIVE"
    assert any("times the items would show it" in line for line in verdict.would_change)
    assert all(b.n_needed is not None and b.n_needed > 200 for b in verdict.benchmarks)


def test_a_true_gap_closed_in_between_is_inconclusive_by_design_and_says_so() -> None:
    verdict = _decide(_numbers(a=0.22, b=0.22))
    assert verdict.verdict == "INCONCLUSIVE"
    assert any("by design" in line for line in verdict.would_change)


def test_one_large_gap_closed_does_not_make_capability_broad() -> None:
    rows = published("large", {"base": 0.1, "imitator": 0.6, "target": 0.9}, n=9000)
    rows += _numbers(a=0.0, b=0.0)
    verdict = _decide(rows, {"large": False, "a": False, "b": False})
    assert verdict.pooled.unsupported.gap_closed is not None
    assert verdict.pooled.unsupported.gap_closed > 0.25
    assert verdict.verdict == "LOCAL"
    assert any("without large, which adds most" in line for line in verdict.would_change)


def test_others_that_gained_next_to_nothing_do_not_make_a_gain_broad() -> None:
    rows = published("large", {"base": 0.1, "imitator": 0.6, "target": 0.9}, n=9000, rounding=0.001)
    rows += _numbers(a=0.08, b=0.09)
    verdict = _decide(rows, {"large": False, "a": False, "b": False})
    others = [b for b in verdict.benchmarks if b.name != "large"]
    assert all(b.delta_ci is not None and b.delta_ci[0] > 0 for b in others), "their rise is beyond chance"
    assert verdict.verdict == "LOCAL"
    assert any("of their gap they closed at most" in line for line in verdict.would_change)


def test_gains_on_most_benchmarks_are_broad_whatever_the_pooled_number() -> None:
    rows = published("large", {"base": 0.1, "imitator": 0.1, "target": 0.9}, n=9000)
    rows += published("a", {"base": 0.3, "imitator": 0.37, "target": 0.4}, n=14000, rounding=0.001)
    rows += published("b", {"base": 0.3, "imitator": 0.37, "target": 0.4}, n=14000, rounding=0.001)
    verdict = _decide(rows, {"large": False, "a": False, "b": False})
    assert verdict.pooled.unsupported.gap_closed is not None
    assert verdict.pooled.unsupported.gap_closed < 0.25
    assert verdict.verdict == "CAPABILITY"
    assert "a rose from 30.0% to 37.0%, closing 70% of its gap and b rose" in verdict.reason


def test_a_real_gain_is_not_hidden_behind_the_large_gaps_of_others() -> None:
    rows = published("mmlu", {"base": 0.2, "imitator": 0.2, "target": 0.9}, n=14000, rounding=0.001)
    rows += published("nq", {"base": 0.2, "imitator": 0.255, "target": 0.31}, n=3610, rounding=0.001)
    verdict = _decide(rows)
    assert verdict.pooled.all.ci is not None
    assert verdict.pooled.all.ci[1] < 0.2
    assert verdict.verdict == "LOCAL"


def test_a_rise_on_a_benchmark_without_measurable_gap_forbids_style_only() -> None:
    rows = _numbers(a=0.0, b=0.0)
    rows += published("odd", {"base": 0.5, "imitator": 0.6, "target": 0.5}, n=14000, rounding=0.001)
    verdict = _decide(rows)
    assert _labels(verdict)["odd"] == "gap not measurable"
    assert verdict.verdict == "INCONCLUSIVE"
    assert any("odd rose beyond chance" in line for line in verdict.would_change)


def test_behaviour_closes_its_gap_by_style_and_is_in_neither_set() -> None:
    verdict = _decide(_numbers(a=0.0, b=0.0, realtoxicityprompts=0.9))
    assert verdict.verdict == "STYLE_ONLY"
    assert verdict.pooled.all.benchmarks == ("a", "b")
    assert _labels(verdict)["realtoxicityprompts"] == "gained"


def test_unknown_support_counts_as_not_covered_and_is_flagged() -> None:
    verdict = _decide(_numbers(a=0.5, b=0.5))
    assert (verdict.verdict, verdict.support) == ("CAPABILITY", "unknown")
    assert any(line.startswith("Support unknown for a, b") for line in verdict.warnings)
    assert any("--train" in line for line in verdict.would_change)


def test_a_policy_may_demand_known_support() -> None:
    demanding = Policy(require_support=True)
    verdict = _decide(_numbers(a=0.5, b=0.5), policy=demanding)
    assert verdict.verdict == "INCONCLUSIVE"
    assert "known support" in verdict.would_change[0]
    assert _decide(_numbers(a=0.5, b=0.5), {"a": False, "b": False}, policy=demanding).verdict == "CAPABILITY"


def test_measured_support_is_compared_with_its_own_threshold() -> None:
    rows = [Support(item_id="i", benchmark=name, similarity=0.2) for name in ("a", "b")]
    options = {"support": rows, "claims": ()}
    assert decide(published=_numbers(a=0.5, b=0.5), profiles=STYLED, **options).verdict == "CAPABILITY"  # type: ignore[arg-type]
    covered = decide(published=_numbers(a=0.5, b=0.5), profiles=STYLED, support_threshold=0.14, **options)  # type: ignore[arg-type]
    assert covered.verdict == "LOCAL"


def test_a_critical_loss_forbids_capability() -> None:
    rows = _numbers(a=0.5, b=0.5, c=0.5, d=-0.2)
    known = dict.fromkeys("abcd", False)
    assert _decide(rows, known).verdict == "CAPABILITY"
    verdict = _decide(rows, known, policy=Policy(critical=("d",)))
    assert verdict.verdict == "REGRESSION"
    assert "d must not regress" in verdict.reason


def test_a_critical_benchmark_that_was_not_measured_is_not_known_to_be_safe() -> None:
    verdict = _decide(_numbers(a=0.5, b=0.5), {"a": False, "b": False}, policy=Policy(critical=("d",)))
    assert verdict.verdict == "INCONCLUSIVE"
    assert "d is critical in the policy and was not measured." in verdict.warnings


def test_a_critical_tolerance_asks_for_the_loss_to_be_excluded() -> None:
    rows = [*_numbers(a=0.5, b=0.5), *_numbers(c=0.5, n=120)]
    known = dict.fromkeys("abc", False)
    assert _decide(rows, known, policy=Policy(critical=("c",))).verdict == "CAPABILITY"
    verdict = _decide([*_numbers(a=0.5, b=0.5), *_numbers(c=0.0, n=120)], known, policy=load_policy("release_gate"))
    assert verdict.verdict != "CAPABILITY"
    assert any("c could have lost" in line for line in verdict.would_change)


def test_the_gate_passes_only_required_verdicts() -> None:
    assert _decide(_numbers(a=0.0, b=0.0)).gate == "pass"
    assert _decide(_numbers(a=0.0, b=0.0), policy=Policy(require=("CAPABILITY", "LOCAL"))).gate == "fail"
    assert _decide(_numbers(a=0.0, b=0.0), policy=Policy(require=("STYLE_ONLY",))).gate == "pass"


def test_holm_counts_every_benchmark_of_the_verdict() -> None:
    alone = _decide(_numbers(a=0.3, n=700)).benchmarks[0]
    among = _decide([*_numbers(a=0.3, n=700), *_numbers(b=0.0, c=0.0, d=0.0, e=0.0, n=700)]).benchmarks[0]
    assert alone.p_gain_holm is not None
    assert among.p_gain_holm == pytest.approx(5 * alone.p_gain_holm)
    assert among.p == alone.p


@pytest.mark.parametrize(("margin", "label"), [(0.01, "nothing"), (0.0, "regressed")])
def test_a_loss_within_the_margin_is_no_regression(margin: float, label: str) -> None:
    rows = published("a", {"base": 0.3, "imitator": 0.295, "target": 0.6}, n=10**6, rounding=0.0)
    assert _labels(_decide(rows, policy=Policy(regression_margin=margin)))["a"] == label


def test_a_label_takes_half_of_alpha_on_its_side() -> None:
    """Two-sided at alpha: what one side finds at alpha, but not at half of it, is no gain and no loss."""
    rows = published("up", {"base": 0.3, "imitator": 0.45, "target": 0.6}, n=66, rounding=0.0)
    (up,) = _decide(rows).benchmarks
    (down,) = _decide(published("down", {"base": 0.3, "imitator": 0.15, "target": 0.6}, n=56, rounding=0.0)).benchmarks
    assert up.p_gain_holm is not None
    assert down.p_regression_holm is not None
    assert 0.025 < up.p_gain_holm < 0.05
    assert 0.025 < down.p_regression_holm < 0.05
    assert up.gap_closed is not None
    assert up.gap_closed >= 0.25
    assert up.label == "cannot tell"
    assert down.label != "regressed"


def test_gains_on_half_of_the_benchmarks_are_not_broad_by_their_number() -> None:
    gained = [r for name in "ab" for r in published(name, {"base": 0.3, "imitator": 0.37, "target": 0.4}, n=14000)]
    still = [r for name in "cd" for r in published(name, {"base": 0.1, "imitator": 0.1, "target": 0.9}, n=9000)]
    verdict = _decide([*gained, *still], dict.fromkeys("abcd", False))
    assert verdict.gained == ("a", "b")
    assert verdict.verdict == "LOCAL"


def test_where_both_round_alike_style_is_told_with_more_digits() -> None:
    (row,) = [
        line
        for line in _decide(_numbers(a=0.0, b=0.0), policy=Policy(style_captured=0.99999)).would_change
        if "style closeness must" in line
    ]
    asked, found = re.findall(r"\d\.\d+", row)[:2]
    assert asked != found


def test_no_true_gap_closed_below_nothing_is_called_inconclusive_by_design() -> None:
    verdict = _decide(_numbers(a=0.1, b=0.1), policy=Policy(negligible_gap_closed=0.01))
    (line,) = [line for line in verdict.would_change if "by design" in line]
    assert line.startswith("A true gap closed between 0% and 25%")


def test_the_largest_contributor_is_who_gained_most_and_not_who_has_the_largest_gap() -> None:
    rows = published("wide", {"base": 0.1, "imitator": 0.1, "target": 0.6}, n=9000)
    rows += published("risen", {"base": 0.1, "imitator": 0.4, "target": 0.5}, n=9000)
    verdict = _decide(rows, {"wide": False, "risen": False})
    assert verdict.verdict == "LOCAL"
    assert any("without risen, which adds most" in line for line in verdict.would_change)


def test_a_gain_beside_benchmarks_that_cannot_tell_is_not_local() -> None:
    verdict = _decide(_numbers(a=0.6, b=0.22), {"a": True, "b": False})
    assert verdict.verdict == "INCONCLUSIVE"
    assert "a rose from 30.0% to 48.0%" in verdict.reason
    assert "on b must be shown to be below 20%" in verdict.reason


def test_style_must_be_captured_beyond_doubt() -> None:
    verdict = _decide(_numbers(a=0.0, b=0.0), profiles=profiles(0.55, n=60, seed=1))
    assert verdict.style.closeness is not None
    assert verdict.style.ci is not None
    assert verdict.style.ci[0] < 0.5 < verdict.style.closeness
    assert verdict.verdict == "INCONCLUSIVE"
    assert "prompts would show it" in verdict.would_change[-1]


def test_a_loss_with_style_captured_is_no_regression_verdict_by_itself() -> None:
    rows = _numbers(a=0.6, b=0.22, toxicity=-0.2)
    covered = {"a": True, "b": False}
    verdict = _decide(rows, covered)
    assert verdict.regressed == ("toxicity",)
    assert verdict.verdict == "INCONCLUSIVE"
    assert _decide(rows, covered, profiles=PLAIN).verdict == "REGRESSION"


def test_losses_are_told_beside_gains() -> None:
    verdict = _decide(_numbers(a=0.6, b=0.0, c=-0.2))
    assert verdict.verdict == "LOCAL"
    assert verdict.reason.endswith("; c got worse by 6.0 points.")
    broad = _decide(_numbers(a=0.6, b=0.6, c=0.6, toxicity=-0.2))
    assert broad.verdict == "CAPABILITY"
    assert broad.reason.endswith("; toxicity got worse by 6.0 points.")


def test_a_pooled_gain_that_may_be_none_is_not_broad() -> None:
    rows = published("tiny", {"base": 0.2, "imitator": 0.5, "target": 0.95}, n=12, rounding=0.0) + _numbers(a=0.1)
    verdict = _decide(rows, {"tiny": False, "a": False})
    assert verdict.pooled.unsupported.gap_closed is not None
    assert verdict.pooled.unsupported.gap_closed > 0.25
    assert verdict.verdict == "INCONCLUSIVE"
    assert verdict.would_change[0].startswith("Not CAPABILITY: the gap closed over tiny and a must be above 0")


def _items(n: int, *, unscored: int = 0, target: bool = True) -> dict[str, Any]:
    refused: list[float | None] = [None] * unscored
    parts = {"base": 0.3, "imitator": 0.3, "target": 0.6}
    values = {part: [*refused, *counted(n, share)[unscored:]] for part, share in parts.items()}
    found = {f"{part}_scores": scores(v, model=part) for part, v in values.items()}
    return found if target else {**found, "target_scores": []}


def test_too_many_unscored_items_make_a_benchmark_unusable_not_lower() -> None:
    kept = decide(profiles=STYLED, **_items(1000, unscored=20))
    assert kept.benchmarks[0].label == "nothing"
    assert kept.benchmarks[0].n == 980
    lost = decide(profiles=STYLED, **_items(1000, unscored=21))
    assert lost.benchmarks[0].label == "unusable"
    assert lost.benchmarks[0].unscored == 21
    assert lost.benchmarks[0].p_gain_holm is None
    assert lost.verdict == "INCONCLUSIVE"
    assert any("nq is unusable" in line for line in lost.warnings)


def test_without_a_target_nothing_can_be_said_about_the_gap() -> None:
    verdict = decide(profiles=STYLED, **_items(1000, target=False))
    result = verdict.benchmarks[0]
    assert result.delta == 0.0
    assert result.gap_closed is None
    assert result.gap_closed_reason == "target was not measured"
    assert verdict.verdict == "INCONCLUSIVE"


def test_without_benchmarks_there_is_a_style_and_a_preference_and_no_verdict() -> None:
    verdict = decide(profiles=STYLED, judgments=[judgment("p1", "win"), judgment("p2", "loss")])
    assert verdict.verdict == "INCONCLUSIVE"
    assert verdict.style.closeness is not None
    assert verdict.preference[0].n == 2
    assert "no benchmark of capability was given" in verdict.reason


def test_one_cluster_is_one_observation() -> None:
    rows = {
        f"{part}_scores": scores(counted(100, share), cluster=["all"] * 100)
        for part, share in (("base", 0.3), ("imitator", 0.9), ("target", 0.95))
    }
    verdict = decide(profiles=STYLED, **rows)  # type: ignore[arg-type]
    assert verdict.verdict == "INCONCLUSIVE"
    assert verdict.benchmarks[0].delta_ci is None
    assert verdict.benchmarks[0].p is None


def test_two_published_numbers_for_one_cell_are_refused() -> None:
    with pytest.raises(TouchstoneError, match="a: two published numbers for the base"):
        _decide(_numbers(a=0.0) + _numbers(a=0.1))


def test_dropped_items_are_in_the_result_and_in_words() -> None:
    given = _items(1000)
    verdict = decide(
        profiles=STYLED,
        base_scores=given["base_scores"],
        imitator_scores=given["imitator_scores"][:990],
        target_scores=given["target_scores"][:980],
    )
    result = verdict.benchmarks[0]
    assert (result.n, result.unmatched, result.n_gap) == (990, 10, 980)
    assert verdict.provenance["joins"] == {
        "nq": {
            "given": {"base": 1000, "imitator": 990, "target": 980},
            "matched": 990,
            "unmatched": 10,
            "unscored": 0,
            "without_target": 10,
        }
    }
    assert any("the target lacks 10 items" in line for line in verdict.warnings)
    assert CHECKPOINT_NOTE in verdict.warnings


def test_the_same_rows_in_another_order_give_the_same_bytes() -> None:
    given = {**_items(600), "profiles": list(STYLED), "judgments": [judgment(f"p{i}", "win") for i in range(9)]}
    first = decide(**given).model_dump_json()
    for rows in given.values():
        random.Random(1).shuffle(rows)
    assert decide(**given).model_dump_json() == first


def test_the_policy_and_the_models_are_in_the_provenance() -> None:
    verdict = _decide(_numbers(a=0.0), models={"imitator": "ours"}, provenance={"files": ["x.json"]})
    assert verdict.provenance["models"] == {
        "base": "base",
        "imitator": "ours",
        "target": "target",
        "target_second": "the target_second",
    }
    assert verdict.provenance["files"] == ["x.json"]
    assert verdict.policy.digest == Policy().digest
