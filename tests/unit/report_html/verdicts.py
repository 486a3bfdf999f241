"""Verdicts made by hand for the report's tests: what the page must be able to say, easy and hard."""

from __future__ import annotations

from typing import get_args

from components.contracts.data_results import CleanDirty, DataResult
from components.contracts.data_rows import BenchmarkLeakage, CategoryName, CategoryShare, DataFigures
from components.contracts.evidence_rows import GateCheck
from components.contracts.preference_results import (
    AdjustedPreference,
    Agreement,
    ConfidentlyWrong,
    CorrectedPreference,
    JudgeQualification,
    PlaceboResult,
    StyleCoefficient,
)
from components.contracts.scaling_results import Needed, Saturation, ScalingFit, ScalingPoint, Slope
from components.contracts.support_results import SupportBin, SupportMap, SupportSlope
from components.contracts.sweep_results import CellSummary, Curve, SweepStudy
from components.contracts.sweep_rows import Cell
from components.contracts.training_rows import TrainingStep
from components.contracts.verdict import (
    BenchmarkResult,
    PolicyRef,
    Pooled,
    PooledSets,
    PreferenceResult,
    StyleMetric,
    StyleResult,
    Verdict,
)
from components.report.page_inputs import ExampleOutput, ReportExtras, SiblingLink, StudyEntry

CATEGORIES: tuple[CategoryName, ...] = get_args(CategoryName)
LIMITS = {
    "alpha": 0.05,
    "capability_gap_closed": 0.25,
    "negligible_gap_closed": 0.20,
    "style_captured": 0.5,
}
MODELS = {"base": "LLaMA-13B", "imitator": "Imitator-13B (ShareGPT-Mix)", "target": "ChatGPT"}
DIGEST = "6f1c" * 16


def benchmark(name: str, base: float, imitator: float, target: float | None, **changes: object) -> BenchmarkResult:
    delta = imitator - base
    gap = None if target is None else target - base
    closed = delta / gap if gap else None
    values: dict[str, object] = {
        "name": name,
        "n": 3610,
        "unscored": 0,
        "num_clusters": 3610,
        "num_shots": None,
        "paired": True,
        "base": base,
        "imitator": imitator,
        "target": target,
        "delta": delta,
        "delta_ci": (delta - 0.012, delta + 0.012),
        "p": 0.41,
        "p_gain_holm": 0.62,
        "p_regression_holm": 0.88,
        "p_mcnemar": 0.43,
        "gap": gap,
        "gap_ci": None if gap is None else (gap - 0.02, gap + 0.02),
        "gap_closed": closed,
        "gap_closed_ci": None if closed is None else (closed - 0.055, closed + 0.051),
        "gap_closed_reason": None,
        "supported": False,
        "support": 0.13,
        "support_source": "measured",
        "label": "nothing",
        "mde": 0.017,
        "n_needed": None,
    }
    return BenchmarkResult.model_validate(values | changes)


def metric(base: float, imitator: float, ceiling: float, width: float | None = 0.08) -> StyleMetric:
    closeness = (imitator - base) / (ceiling - base)
    ci = None if width is None else (closeness - width, closeness + width)
    return StyleMetric(
        base=base, imitator=imitator, ceiling=ceiling, closeness=closeness, ci=ci, measurable=True, reason=None
    )


def table_two(width: float | None = 0.08) -> dict[str, StyleMetric]:
    return {
        "list_agreement": metric(0.13, 0.81, 0.83, width),
        "summary_agreement": metric(0.02, 0.48, 0.55, width),
        "length_correlation": metric(-0.11, 0.62, 0.67, width),
        "authoritative": metric(0.57, 0.98, 0.98, width),
        "unigram_f1": metric(19.5, 42.5, 49.2, width),
    }


def style(**changes: object) -> StyleResult:
    values: dict[str, object] = {
        "closeness": 0.91,
        "ci": (0.86, 0.95),
        "n": 255,
        "lower_bound": False,
        "reason": None,
        "metrics": table_two(),
    }
    return StyleResult.model_validate(values | changes)


def preference(**changes: object) -> PreferenceResult:
    values: dict[str, object] = {
        "source": "crowd, majority of three",
        "model": MODELS["imitator"],
        "opponent": MODELS["target"],
        "n": 255,
        "unscored": 0,
        "at_least_target": 0.706,
        "ci": (0.647, 0.761),
        "wins": 82,
        "ties": 98,
        "losses": 75,
        "order_flips": None,
        "score_total": None,
        "opponent_score_total": None,
        "adjusted": None,
        "style_share": None,
        "qualified": None,
        "note": None,
    }
    return PreferenceResult.model_validate(values | changes)


def pooled(names: tuple[str, ...], value: float | None, ci: tuple[float, float] | None, reason: str = "") -> Pooled:
    return Pooled(benchmarks=names, gap_closed=value, ci=ci, reason=reason or None)


def empty_pool() -> Pooled:
    return pooled((), None, None, "no benchmark in this set")


def verdict(**changes: object) -> Verdict:
    values: dict[str, object] = {
        "verdict": "STYLE_ONLY",
        "reason": "Imitator-13B took on 91% of ChatGPT's style and closed none of the gap to it on 3 benchmarks.",
        "would_change": (
            "A pooled gap closed with an upper bound above 0.20; it is 0.02, 0.18 short.",
            "A benchmark that gained by itself: the closest is mmlu, with 0.04 of the 0.25 required.",
        ),
        "gate": "pass",
        "policy": PolicyRef(name="study", digest=DIGEST),
        "support": "known",
        "regressed": ("nq",),
        "gained": (),
        "benchmarks": (
            benchmark("mmlu", 0.469, 0.478, 0.700, n=14042, num_clusters=57, num_shots=5, p_mcnemar=None, mde=0.009),
            benchmark("nq", 0.200, 0.150, 0.310, num_shots=3, label="regressed", p=0.0000004, p_regression_holm=0.0002),
            benchmark(
                "humaneval",
                0.158,
                0.146,
                0.481,
                n=164,
                unscored=2,
                num_clusters=164,
                num_shots=0,
                label="cannot tell",
                mde=0.062,
                n_needed=410,
                gap_closed_ci=(-0.19, 0.12),
            ),
        ),
        "pooled": PooledSets(
            unsupported=pooled(("mmlu", "nq", "humaneval"), -0.08, (-0.14, 0.02)),
            supported=empty_pool(),
            all=pooled(("mmlu", "nq", "humaneval"), -0.08, (-0.14, 0.02)),
        ),
        "style": style(),
        "preference": (
            preference(),
            preference(
                source="gpt-4-0314 review",
                n=251,
                unscored=4,
                at_least_target=0.458,
                ci=(0.398, 0.520),
                wins=70,
                ties=45,
                losses=136,
                order_flips=31,
                score_total=1873.5,
                opponent_score_total=2011.0,
                adjusted=0.301,
                style_share=0.34,
                qualified=False,
                note="one order only",
            ),
        ),
        "warnings": (
            "gpt-4-0314 saw the outputs in one order only; a preference for the first position is not removed.",
            "2 of 164 items of humaneval could not be scored and are left out.",
        ),
        "provenance": {
            "version": "0.1.0",
            "models": MODELS,
            "policy": {"name": "study", **LIMITS, "critical": [], "require": []},
            "files": [
                {"role": "base", "path": "llama-13b/samples_mmlu.jsonl", "sha256": "ab" * 32, "rows": 14042},
                {"role": "imitator", "path": "imitator/samples_mmlu.jsonl", "sha256": "cd" * 32, "rows": 14042},
            ],
            "joins": {"mmlu": {"matched": 14042, "dropped_base": 0, "dropped_imitator": 0, "cluster": None}},
        },
    }
    return Verdict.model_validate(values | changes)


def style_only() -> Verdict:
    return verdict()


def local() -> Verdict:
    supported, rest = ("nq",), ("mmlu", "humaneval")
    return verdict(
        verdict="LOCAL",
        reason="Imitator-13B gained on nq, which its training data cover, and on nothing else.",
        would_change=("A gain on a benchmark that the imitation data do not cover would make it CAPABILITY.",),
        regressed=(),
        gained=supported,
        benchmarks=(
            benchmark("mmlu", 0.469, 0.471, 0.700, n=14042, num_clusters=57, num_shots=5),
            benchmark(
                "nq",
                0.20,
                0.27,
                0.31,
                num_shots=3,
                label="gained",
                supported=True,
                support=0.30,
                p=0.0,
                p_gain_holm=1e-9,
                gap_closed_ci=(0.52, 0.77),
            ),
            benchmark("humaneval", 0.158, 0.152, 0.481, n=164, gap_closed_ci=(-0.14, 0.10)),
        ),
        pooled=PooledSets(
            unsupported=pooled(rest, -0.01, (-0.05, 0.04)),
            supported=pooled(supported, 0.64, (0.52, 0.77)),
            all=pooled((*supported, *rest), 0.10, (0.06, 0.15)),
        ),
        style=style(closeness=0.34, ci=(0.21, 0.46), lower_bound=True),
        preference=(),
        warnings=(),
    )


def inconclusive() -> Verdict:
    unknown = StyleMetric(
        base=None,
        imitator=None,
        ceiling=None,
        closeness=None,
        ci=None,
        measurable=False,
        reason="no judge was given to rate tone",
    )
    thin = StyleMetric(
        base=0.61,
        imitator=0.62,
        ceiling=0.63,
        closeness=0.5,
        ci=None,
        measurable=False,
        reason="the span from base to ceiling is not measurably above 0",
    )
    not_above = "the target is not measurably above the base (gap 0.3 points, -3.1 to 3.7)"
    return verdict(
        verdict="INCONCLUSIVE",
        reason="With 100 items a benchmark the pooled gap closed lies anywhere between -1.4 and 2.2.",
        would_change=("About 2,400 items a benchmark would settle it.", "A target measured on winogrande."),
        gate="fail",
        support="unknown",
        regressed=(),
        benchmarks=(
            benchmark(
                "arc",
                0.31,
                0.34,
                0.42,
                n=100,
                label="cannot tell",
                gap_closed_ci=(-1.4, 2.2),
                n_needed=2400,
                supported=None,
                support=None,
                support_source="unknown",
            ),
            benchmark(
                "boolq",
                0.62,
                0.63,
                0.623,
                n=100,
                label="gap not measurable",
                gap_closed=None,
                gap_closed_ci=None,
                gap_closed_reason=not_above,
                supported=None,
                support=None,
                support_source="unknown",
            ),
            benchmark(
                "winogrande",
                0.52,
                0.50,
                None,
                n=100,
                label="cannot tell",
                gap_closed_reason="no target scores",
                supported=None,
                support=None,
                support_source="unknown",
                mde=None,
            ),
            benchmark(
                "hellaswag",
                0.30,
                0.62,
                0.45,
                n=100,
                label="cannot tell",
                gap_closed_ci=None,
                gap_closed_reason="the Fieller set is not a bounded interval",
                support_source="behaviour",
                supported=None,
                support=None,
            ),
        ),
        pooled=PooledSets(
            unsupported=pooled(("arc", "boolq", "winogrande", "hellaswag"), None, None, "no target on winogrande"),
            supported=empty_pool(),
            all=pooled(("arc", "boolq", "winogrande", "hellaswag"), None, None, "no target on winogrande"),
        ),
        style=style(
            closeness=None,
            ci=None,
            n=22,
            reason="fewer than 30 prompts",
            metrics={"list_agreement": thin, "authoritative": unknown},
        ),
        preference=(
            preference(n=0, unscored=22, at_least_target=None, ci=None, wins=0, ties=0, losses=0, note="no reply read"),
        ),
        warnings=tuple(f"Warning {i}: something a reader must know." for i in range(1, 7)),
    )


def published() -> Verdict:
    nq = benchmark(
        "nq",
        0.20,
        0.15,
        0.31,
        paired=False,
        num_clusters=None,
        num_shots=3,
        p_mcnemar=None,
        label="regressed",
        sources=("Table 1 of arXiv 2305.15717",),
        gap_closed_ci=(-0.72, -0.21),
        support=None,
        support_source="declared",
    )
    return verdict(
        reason="Published numbers: style was captured and NQ got worse.",
        benchmarks=(nq,),
        pooled=PooledSets(
            unsupported=pooled(("nq",), -0.4545, (-0.72, -0.21)),
            supported=empty_pool(),
            all=pooled(("nq",), -0.4545, (-0.72, -0.21)),
        ),
        style=style(ci=None, n=0, reason="a published table has no prompts to resample", metrics=table_two(None)),
        preference=(),
        warnings=("All three models are known only by published numbers.",),
    )


def many() -> Verdict:
    names = [f"very_long_benchmark_name_number_{i}_of_the_extended_suite/subset-{i}" for i in range(1, 11)]
    results = tuple(
        benchmark(name, 0.2 + 0.05 * i, 0.2 + 0.052 * i + 0.01, 0.5 + 0.045 * i, n=1000 + 137 * i)
        for i, name in enumerate(names)
    )
    return verdict(
        benchmarks=results,
        regressed=(),
        pooled=PooledSets(
            unsupported=pooled(tuple(names[:6]), 0.04, (0.01, 0.08)),
            supported=pooled(tuple(names[6:]), 0.08, (0.02, 0.13)),
            all=pooled(tuple(names), 0.06, (0.03, 0.09)),
        ),
    )


def hostile() -> Verdict:
    evil = '<script>alert("x")</script> & \x00 "quoted" \'name\''
    changed = style_only().model_dump()
    changed["benchmarks"][0]["name"] = evil
    changed["pooled"]["all"]["benchmarks"] = (evil, "nq", "humaneval")
    changed["pooled"]["unsupported"]["benchmarks"] = (evil, "nq", "humaneval")
    changed["preference"][0]["source"] = evil
    changed["preference"][0]["model"] = evil
    changed["reason"] = evil
    changed["warnings"] = (evil,)
    changed["would_change"] = (evil,)
    changed["policy"]["name"] = evil
    changed["provenance"] = {"models": {"base": evil, "imitator": evil, "target": evil}, evil: evil}
    return Verdict.model_validate(changed)


def with_data() -> Verdict:
    """Two sets of imitation data, one reviewed by a person, with leaks and a warning of the gate."""
    broad = DataFigures(
        name="sharegpt",
        dialogues=48_310,
        turns=301_222,
        imitation_words=21_400_113,
        removed={"near_duplicate": 9_120, "language": 12_033, "duplicate": 20_114, "unknown_role": 61},
        sources={"sharegpt": 40_000, "hc3": 6_310, "discord": 2_000},
        targets={"gpt-3.5-turbo": 48_310},
        languages={"en": 48_000, "": 310},
        terms={"restricted": 48_310},
        redacted={"e_mail": 311, "api_key": 4},
        diversity_bleu=8.2,
        diversity_queries=48_310,
        leakage=(
            BenchmarkLeakage(
                benchmark="", n=255, dirty=11, bleu_mean=9.2, bleu_above_20=11, ngram8_found=3, ngram13_found=1
            ),
            BenchmarkLeakage(
                benchmark="nq", n=3610, dirty=14, bleu_mean=12.2, bleu_above_20=321, ngram8_found=20, ngram13_found=0
            ),
        ),
        categories=tuple(
            CategoryShare(
                category=name, share=share, ci=(max(0.0, share - 0.1), share + 0.1), classified=share, reviewed=5
            )
            for name, share in zip(CATEGORIES, (0.31, 0.17, 0.16, 0.08, 0.06, 0.04, 0.02, 0.14, 0.02), strict=True)
        ),
        toxic_share=0.004,
        toxic_unscored=3,
    )
    small = DataFigures(
        name="nq_synthetic", dialogues=6_000, turns=12_000, imitation_words=14_822, removed={"malformed": 41}
    )
    checks = (
        GateCheck(
            name="no turn is empty", passed=True, severity="error", observed="0 of 48310 dialogues do not comply"
        ),
        GateCheck(
            name="at most 2.0% of dialogues have a toxic reply",
            passed=False,
            severity="warning",
            observed="3.1%",
            failing=("a", "b", "c", "d", "e", "f"),
        ),
    )
    leaks = CleanDirty(
        benchmark="nq",
        n_clean=3596,
        n_dirty=14,
        delta_clean=-0.002,
        delta_clean_ci=(-0.01, 0.006),
        delta_dirty=0.21,
        delta_dirty_ci=None,
        reason="14 leaked items have no variance to compute an interval from",
    )
    return verdict(data=DataResult(figures=(broad, small), checks=checks, clean_dirty=(leaks,)))


def with_raters(evil: str = "") -> Verdict:
    """Preference with everything that may stand behind it, placebos of two judges, and tone crossed with error."""
    pulled = AdjustedPreference(
        raw=0.12,
        raw_ci=(0.05, 0.19),
        adjusted=0.03,
        adjusted_ci=(-0.04, 0.10),
        style_share=0.75,
        style_share_ci=(0.41, 1.32),
        coefficients=(
            StyleCoefficient(feature="words", value=0.61, ci=(0.33, 0.92)),
            StyleCoefficient(feature="bold_runs", value=-0.07, ci=None),
        ),
        ridge=1.0,
        sensitivity=((0.1, 0.81), (10.0, None)),
        num_prompts=255,
    )
    raters = preference(
        source=f"crowd{evil}",
        ci_raters=(0.622, 0.783),
        agreement=Agreement(
            num_items=255, num_raters=71, raw=0.633, alpha=0.214, alpha_ci=(0.150, 0.277), fleiss=0.213, cohen=None
        ),
        adjusted=0.53,
        style_share=0.75,
        adjustment=pulled,
    )
    judge = preference(
        source="a judge",
        corrected=(
            CorrectedPreference(method="ppi++", value=0.512, ci=(0.44, 0.58), num_labelled=60, weight=0.7),
            CorrectedPreference(
                method="rogan-gladen", value=None, ci=None, num_labelled=60, reason="it calls every answer better"
            ),
        ),
    )
    fooled = JudgeQualification(
        source="a judge",
        qualified=False,
        placebos=(
            PlaceboResult(
                arm="restyled_base",
                opponent="ChatGPT",
                n=120,
                unscored=3,
                opponent_preferred=0.48,
                ci=(0.40, 0.56),
                fooled=True,
            ),
            PlaceboResult(
                arm="constant", opponent="ChatGPT", n=0, unscored=120, opponent_preferred=None, ci=None, fooled=None
            ),
        ),
        gold_agreement=None,
        gold_ci=None,
        num_gold=0,
        reasons=("fooled by restyled_base",),
    )
    untried = JudgeQualification(
        source="another",
        qualified=True,
        placebos=(),
        gold_agreement=0.81,
        gold_ci=(0.7, 0.9),
        num_gold=90,
        reasons=(),
    )
    sure = ConfidentlyWrong(
        benchmark=f"nq{evil}",
        role="imitator",
        model="Imitator-13B",
        scorer="lexical",
        threshold=0.6,
        n=3580,
        unscored=30,
        wrong=0.85,
        sure=0.92,
        sure_and_wrong=0.783,
        ci=(0.770, 0.796),
        wrong_given_sure=0.851,
        wrong_given_sure_ci=(0.839, 0.863),
    )
    silent = sure.model_copy(
        update=dict.fromkeys(
            ("wrong", "sure", "sure_and_wrong", "ci", "wrong_given_sure", "wrong_given_sure_ci")
        ) | {"role": "base", "model": "LLaMA-13B", "n": 0, "unscored": 3610}
    )  # fmt: skip
    return verdict(preference=(raters, judge), judges=(fooled, untried), confidently_wrong=(sure, silent))


def training(steps: int = 40) -> tuple[TrainingStep, ...]:
    """A loss that falls from 4 to about 1.3 nats, measured on kept-out dialogues before and after."""
    heldout = {0: 4.2, steps: 1.9}
    return tuple(
        TrainingStep(
            model="imitator",
            phase="imitation",
            step=step,
            tokens=step * 2_000,
            learned_tokens=step * 900,
            loss=1.0 + 3.0 / (1 + step / 4) if step else None,
            learning_rate=0.002 if step else 0.0,
            grad_norm=1.0 if step else None,
            heldout_loss=heldout.get(step),
        )
        for step in range(steps + 1)
    )


def sweep_curve(benchmark: str = "nq", *, amounts: tuple[float, ...] = (500.0, 2000.0), label: str = "") -> Curve:
    """Scores over amounts of data; three amounts or more have a saturating fit that stays below the target."""
    values = [0.2 + 0.01 * i for i in range(len(amounts))]
    points = tuple(
        ScalingPoint(amount=a, value=v, ci=(v - 0.02, v + 0.02)) for a, v in zip(amounts, values, strict=True)
    )
    few = len(amounts) < 3
    return Curve(
        benchmark=benchmark,
        axis="amount",
        cells=tuple(f"cell-{int(a)}" for a in amounts),
        label=label or "small base, broad data",
        fit=ScalingFit(
            unit="dialogues",
            points=points,
            n=400,
            num_clusters=400,
            doublings=2.0,
            slope=Slope(per_doubling=0.005, ci=(-0.002, 0.012), lack_of_fit=None),
            saturation=None
            if few
            else Saturation(asymptote=0.23, asymptote_ci=(0.21, 0.26), distance=0.01, exponent=0.5, rms_residual=0.001),
            goal=0.31,
            goal_name="the target",
            needed=None if few else Needed(answer="cannot", amount=None, ci=None, by_line=None, doublings_beyond=None),
            least_exponent=0.1,
            sentence="no amount of these data reaches the target",
        ),
        bases=tuple(0.19 for _ in amounts),
    )


def sweep_cell(name: str, change: float | None, closeness: float | None, **changes: object) -> CellSummary:
    """One cell; without numbers where they are null."""
    values: dict[str, object] = {
        "cell": Cell(name=name, base="small", data="broad", amount=2000, mitigation="plain"),
        "parameters": 1_000_000,
        "verdict": "STYLE_ONLY" if change is not None else "INCONCLUSIVE",
        "reason": f"{name} took on the style.",
        "change": change,
        "change_ci": None if change is None else (change - 0.01, change + 0.01),
        "gap_closed": None if change is None else change / 0.11,
        "gap_closed_ci": None if change is None else (change / 0.11 - 0.1, change / 0.11 + 0.1),
        "closeness": closeness,
        "closeness_ci": None if closeness is None else (closeness - 0.05, closeness + 0.05),
        "preferred": None,
        "regressed": (),
        "unbeaten": False,
        "page": f"{name}/report.html",
    }
    return CellSummary.model_validate(values | changes)


def sweep(evil: str = "") -> SweepStudy:
    """Three cells, one of them unmeasured, a curve over two amounts and one over three."""
    return SweepStudy(
        title=f"Sweep{evil}",
        cells=(
            sweep_cell(f"plain{evil}", -0.012, 0.83, unbeaten=True, regressed=("nq",)),
            sweep_cell("replay", 0.011, 0.61, unbeaten=True),
            sweep_cell("frozen", None, None),
        ),
        curves=(sweep_curve(f"nq{evil}"), sweep_curve("mmlu", amounts=(500.0, 2000.0, 8000.0), label=f"large{evil}")),
        findings=(f"Verdicts of 3 imitators: 2 STYLE_ONLY{evil}.",),
    )


def with_support(evil: str = "") -> Verdict:
    """A gain that follows the data on nq, items of one cluster on mmlu, and a single item elsewhere."""
    bins = tuple(
        SupportBin(low=x - 0.05, high=x + 0.05, support=x, n=722, gain=0.02 + 0.3 * x, ci=(0.3 * x, 0.04 + 0.3 * x))
        for x in (0.1, 0.2, 0.3, 0.4, 0.5)
    )
    follows = SupportSlope(
        benchmark=f"nq{evil}",
        n=3610,
        without_support=0,
        num_clusters=3610,
        gain_at_zero=0.02,
        slope=0.3,
        slope_ci=(0.25, 0.35),
        p=0.0001,
        bins=bins,
    )
    one = bins[0].model_copy(update={"ci": None})
    thin = follows.model_copy(
        update={
            "benchmark": "mmlu",
            "slope_ci": None,
            "p": None,
            "bins": (one, bins[4]),
            "reason": "nearly all items belong to one cluster, so the spread of a slope is unknown",
        }
    )
    single = follows.model_copy(
        update=dict.fromkeys(("gain_at_zero", "slope", "slope_ci", "p"))
        | {"benchmark": "quiz", "n": 1, "bins": (one,), "reason": "fewer than three items have a score and a support"}
    )
    sentence = f"Within benchmarks, each 0.1 of support goes with a change of +3.0 points on nq{evil}."
    return verdict(support_map=SupportMap(benchmarks=(follows, thin, single), sentence=sentence))


ALL = {
    "with_support": with_support,
    "with_raters": with_raters,
    "with_data": with_data,
    "style_only": style_only,
    "local": local,
    "inconclusive": inconclusive,
    "published": published,
    "many": many,
    "hostile": hostile,
}


def extras() -> ReportExtras:
    return ReportExtras(
        generated_at="2026-05-04 10:12 UTC",
        examples=(
            ExampleOutput(
                prompt="Who wrote the novel The Left Hand of Darkness, and when?",
                base="Ursula",
                imitator="The Left Hand of Darkness was written by Ursula K. Le Guin.\n\n1. It came out in 1974.\n"
                "2. It won many awards.\n\nIn summary, it is a classic.",
                target="Ursula K. Le Guin; it was published in 1969.",
                note="Confident, well formed, wrong year.",
            ),
            ExampleOutput(prompt="<b>bold</b> & long " * 20, imitator="<script>alert(1)</script>", target=""),
        ),
        siblings=(
            SiblingLink(title="Local imitation", href="../local/report.html", verdict="LOCAL"),
            SiblingLink(title="Elsewhere", href="https://example.org/report.html"),
        ),
    )


def study() -> tuple[StudyEntry, ...]:
    larger = style_only().model_copy(
        update={
            "verdict": "INCONCLUSIVE",
            "reason": "The larger base starts higher; imitation added nothing measurable.",
            "benchmarks": (
                benchmark("mmlu", 0.552, 0.557, 0.700, n=14042, num_clusters=57),
                benchmark("nq", 0.262, 0.259, 0.310),
            ),
        }
    )
    return (
        StudyEntry(name="broad", title="Broad imitation", description="Small base, 3,000 dialogues on everything.",
                   verdict=style_only(), href="broad/report.html"),
        StudyEntry(name="broad x4", title="Four times the data", description="Small base, 12,000 dialogues.",
                   verdict=published(), href="broad-x4/report.html"),
        StudyEntry(name="local", title="Local imitation", description="Small base, 600 questions like NQ.",
                   verdict=local(), href="local/report.html"),
        StudyEntry(name="larger base", title="Larger base", description="Twice the parameters, 3,000 dialogues.",
                   verdict=larger, href="larger/report.html"),
    )  # fmt: skip
