"""A verdict from 100,000 item rows of each of three models, with 10,000 resamples of everything that is resampled.

Ours: saved rows -> checked, joined, tested, style and preference resampled, rules, words. The reference does the first
half of it: rows read by pandas, joined by id, a clustered regression by statsmodels for every change and gap, and
10,000 resamples of items by scipy for the interval of each ratio, which is timed on a hundredth of them and scaled.
"""

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from components.contracts.evidence_rows import Judgment
from components.contracts.ports import write_rows
from components.contracts.rows import Score
from components.report.policy import Policy
from pipelines.audit.decide import Settings, recompute, write_settings
from pipelines.validity.drawing import profiles
from tests.unit.report.score_reference import tango

RESAMPLES = 10_000
SCALED = 100
SHARES = {"base": 0.35, "imitator": 0.40, "target": 0.70}
BENCHMARKS = (("mmlu", 50_000, 50), ("squad", 30_000, 1000), ("nq", 20_000, 0))
"""Name, items, clusters of equal size; 0 = items alone."""
PROMPTS = 805
RATERS = 12
LIMIT_S = 5.0


def run() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        audit = Path(folder)
        _write(audit / "rows")
        recompute(audit)  # numba and scipy have been imported
        began = time.perf_counter(), time.process_time()
        verdict = recompute(audit)
        ours, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
        reference, numbers = _reference(audit / "rows")
    equal = True
    for found in verdict.benchmarks:
        clustered = found.delta_ci_clustered if found.name == "mmlu" else found.delta_ci
        assert clustered is not None
        equal &= bool(np.allclose([found.delta, *clustered], numbers[found.name], rtol=1e-6, atol=1e-9))
    return {
        "work": f"3 x {sum(n for _, n, _ in BENCHMARKS):,} item rows, {4 * PROMPTS:,} style profiles,"
        f" {PROMPTS + 255 * 3:,} judgments, {RESAMPLES:,} resamples",
        "ours_s": round(ours, 2),
        "reference": "pandas join + statsmodels OLS (cluster) + scipy.stats.bootstrap of items",
        "reference_s": round(reference, 2),
        "equal": equal,
        "note": f"equal: changes and their clustered intervals; {cpu:.2f} CPU seconds of ours, promised under"
        f" {LIMIT_S:g} s; the bootstrap was timed on {RESAMPLES // SCALED} resamples and scaled by {SCALED}",
    }


def _write(rows: Path) -> None:
    rng = np.random.default_rng(0)
    scores: dict[str, list[Score]] = {role: [] for role in SHARES}
    for name, n, clusters in BENCHMARKS:
        difficulty = rng.standard_normal(n)
        for role, share in SHARES.items():
            latent = 0.8 * difficulty + 0.6 * rng.standard_normal(n)
            right = latent < np.quantile(latent, share)
            scores[role] += [
                Score(
                    item_id=f"{name}/{i}",
                    benchmark=name,
                    model=role,
                    value=float(value),
                    cluster=f"{name} {i % clusters}" if clusters else "",
                )
                for i, value in enumerate(right.tolist())
            ]
    for role, found in scores.items():
        write_rows(rows / f"{role}_scores", Score, found)
    styled = profiles(0.85, rng, PROMPTS)
    write_rows(rows / "profiles", type(styled[0]), styled)
    write_rows(rows / "judgments", Judgment, _judgments(rng))
    write_settings(rows, Settings(policy=Policy(), models={}, resamples=RESAMPLES))


def _judgments(rng: np.random.Generator) -> list[Judgment]:
    """A judge on every prompt, and three of a dozen raters on 255 of them."""
    outcomes = ("win", "tie", "loss")
    rows = [("judge", "judge", i) for i in range(PROMPTS)]
    rows += [("people", f"rater {r}", i) for i in range(255) for r in rng.choice(RATERS, 3, replace=False)]
    return [
        Judgment.model_validate(
            {
                "prompt_id": f"prompt-{i}",
                "source": source,
                "rater": rater,
                "model": "imitator",
                "opponent": "target",
                "outcome": outcomes[int(rng.choice(3, p=(0.45, 0.2, 0.35)))],
                "order": "model_first",
            }
        )
        for source, rater, i in rows
    ]


def _reference(rows: Path) -> tuple[float, dict[str, list[float]]]:
    import pandas as pd
    import statsmodels.api as sm
    import zstandard
    from scipy import stats

    began = time.perf_counter()
    tables = {}
    for role in SHARES:
        (file,) = (path for path in (rows / f"{role}_scores").iterdir() if path.name.startswith("rows"))
        data = file.read_bytes()
        if file.suffix == ".zst":
            data = zstandard.ZstdDecompressor().stream_reader(data).read()
        tables[role] = pd.DataFrame([json.loads(line) for line in data.splitlines()])
    joined = tables["base"].merge(tables["imitator"], on=["benchmark", "item_id"], suffixes=("", "_i"))
    joined = joined.merge(tables["target"], on=["benchmark", "item_id"], suffixes=("", "_t"))
    found, resampling = {}, 0.0
    for name, part in joined.groupby("benchmark"):
        delta, gap = (part[f"value_{other}"] - part["value"] for other in ("i", "t"))
        groups = np.where(part["cluster"] == "", part["item_id"], part["cluster"])
        codes = np.unique(groups, return_inverse=True)[1]
        for difference in (gap, delta):
            fit = sm.OLS(difference.to_numpy(), np.ones(len(part))).fit(
                cov_type="cluster", cov_kwds={"groups": codes}, use_t=True
            )
        # statsmodels' interval has C - 1 degrees of freedom, and the verdict adds 1/n^2 to variances of 0/1 scores.
        spread = np.sqrt(fit.bse[0] ** 2 + 1 / len(part) ** 2) * stats.t.ppf(0.975, codes.max())
        ends = float(fit.params[0] - spread), float(fit.params[0] + spread)
        # Items that stand alone have Tango's interval.
        ends = ends if codes.max() + 1 < len(part) else tango(delta.to_numpy())
        found[str(name)] = [float(fit.params[0]), *ends]
        timed = time.perf_counter()
        stats.bootstrap(
            (delta.to_numpy(), gap.to_numpy()),
            lambda d, g, axis: d.mean(axis=axis) / g.mean(axis=axis),
            paired=True,
            vectorized=True,
            n_resamples=RESAMPLES // SCALED,
            batch=10,
            method="percentile",
            rng=np.random.default_rng(0),
        )
        resampling += time.perf_counter() - timed
    return time.perf_counter() - began + (SCALED - 1) * resampling, found
