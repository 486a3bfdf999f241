"""Tables 1 and 2 of the study (arXiv 2305.15717), entered as printed, give the study's own conclusions."""

from __future__ import annotations

import pytest

from components.contracts.evidence_rows import PublishedScore, PublishedStyle, SupportClaim
from components.contracts.verdict import Verdict
from components.report.decision import decide

NQ_ITEMS = 3610
# Table 1: NQ exact match in per cent, base, ShareGPT-Mix, NQ-Synthetic; ChatGPT has 31. MMLU and HumanEval are only
# drawn in the study's figures, so they are not entered.
TABLE_1 = {"7B": (17, 10, 22), "13B": (20, 15, 27)}
CHATGPT = 31
# Table 2: LLaMA-13B, imitation on 150M tokens, ChatGPT's second sample.
TABLE_2 = {
    "list_agreement": (0.13, 0.81, 0.83),
    "summary_agreement": (0.02, 0.48, 0.55),
    "unigram_f1": (19.5, 42.5, 49.2),
    "length_correlation": (-0.11, 0.62, 0.67),
    "authoritative": (0.57, 0.98, 0.98),
}
PROMPTS = 255
SUPPORT = [(), (SupportClaim(benchmark="nq", supported=False),), (SupportClaim(benchmark="nq", supported=True),)]


def published_rows(size: str, imitator: str) -> tuple[list[PublishedScore], list[PublishedStyle]]:
    """Both tables as rows, for one base and one set of imitation data."""
    base, mixed, synthetic = TABLE_1[size]
    percents = {"base": base, "imitator": mixed if imitator == "ShareGPT-Mix" else synthetic, "target": CHATGPT}
    scores = [
        PublishedScore.model_validate(
            {
                "benchmark": "nq",
                "role": role,
                "model": imitator if role == "imitator" else role,
                "value": percent / 100,
                "n": NQ_ITEMS,
                "rounding": 0.01,
                "source": "Table 1",
            }
        )
        for role, percent in percents.items()
    ]
    styles = [
        PublishedStyle.model_validate({"metric": name, "role": role, "value": value, "n": PROMPTS, "source": "Table 2"})
        for name, values in TABLE_2.items()
        for role, value in zip(("base", "imitator", "target_second"), values, strict=True)
    ]
    return scores, styles


def _replay(size: str, imitator: str, claims: tuple[SupportClaim, ...]) -> Verdict:
    scores, styles = published_rows(size, imitator)
    return decide(published=scores, published_style=styles, claims=claims)


@pytest.mark.parametrize("claims", SUPPORT, ids=["unknown", "not supported", "supported"])
@pytest.mark.parametrize("size", ["7B", "13B"])
def test_broad_imitation_is_style_only_with_nq_regressed(size: str, claims: tuple[SupportClaim, ...]) -> None:
    verdict = _replay(size, "ShareGPT-Mix", claims)
    assert verdict.verdict == "STYLE_ONLY"
    assert verdict.regressed == ("nq",)
    assert "nq got worse by" in verdict.reason


@pytest.mark.parametrize("claims", SUPPORT, ids=["unknown", "not supported", "supported"])
@pytest.mark.parametrize("size", ["7B", "13B"])
def test_local_imitation_is_local(size: str, claims: tuple[SupportClaim, ...]) -> None:
    verdict = _replay(size, "NQ-Synthetic", claims)
    assert verdict.verdict == "LOCAL"
    assert verdict.gained == ("nq",)


def test_the_numbers_behind_the_replay() -> None:
    verdict = _replay("13B", "NQ-Synthetic", ())
    (nq,) = verdict.benchmarks
    assert nq.gap_closed == pytest.approx(7 / 11)
    # By hand: Var = p(1-p)/3610 + 0.01^2/12 for each model; z = 1.96; Fieller with cov(D, G) = Var(base).
    assert nq.delta_ci == pytest.approx((0.0489, 0.0911), abs=1e-4)
    assert nq.gap_closed_ci == pytest.approx((0.465, 0.824), abs=1e-3)
    assert not nq.paired
    closeness = [68 / 70, 46 / 53, 23 / 29.7, 0.73 / 0.78, 1.0]
    assert verdict.style.closeness == pytest.approx(sum(closeness) / 5)
    assert verdict.style.ci is None
    assert verdict.style.reason is not None
    assert "no interval" in verdict.style.reason
