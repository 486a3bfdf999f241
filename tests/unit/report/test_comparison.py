import json
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm

from components.contracts.attribution_results import AttributionResult, ClassifierResult, TakenShare, ToldApart
from components.contracts.rows import Score
from components.report.comparison import claims, contrast, write_study
from components.report.decision import decide


def scores(benchmark: str, values: np.ndarray, clusters: np.ndarray) -> list[Score]:
    return [
        Score(item_id=f"{benchmark}{i}", benchmark=benchmark, model="m", value=float(v), cluster=str(c))
        for i, (v, c) in enumerate(zip(values, clusters, strict=True))
    ]


def drawn(share: float, seed: int, n: int = 300) -> np.ndarray:
    return (np.random.default_rng(seed).random(n) < share).astype(float)


CLUSTERS = np.arange(300) // 4


def test_a_contrast_of_one_benchmark_is_the_clustered_regression_on_a_constant() -> None:
    a, b, c = (drawn(p, seed) for p, seed in ((0.6, 1), (0.4, 2), (0.3, 3)))
    found = contrast([scores("x", v, CLUSTERS) for v in (a, b, c)], (1.0, -2.0, 1.0), alpha=0.05)
    fitted = sm.OLS(a - 2 * b + c, np.ones(300)).fit(cov_type="cluster", cov_kwds={"groups": CLUSTERS}, use_t=True)
    assert found.value == pytest.approx(fitted.params[0])
    # statsmodels also scales by (n - 1)/(n - k) = 1 here.
    assert found.ci == pytest.approx(tuple(fitted.conf_int()[0]), rel=1e-6)


def test_a_contrast_averages_benchmarks_whatever_their_size() -> None:
    ones, zeros = np.ones(300), np.zeros(300)
    better = scores("x", ones, CLUSTERS) + scores("y", zeros[:20], CLUSTERS[:20])
    worse = scores("x", zeros, CLUSTERS) + scores("y", zeros[:20], CLUSTERS[:20])
    assert contrast([better, worse], (1.0, -1.0), 0.05).value == pytest.approx(0.5)


def test_items_that_one_arm_lacks_or_left_unscored_are_not_compared() -> None:
    full = scores("x", drawn(0.5, 1), CLUSTERS)
    short = [
        row.model_copy(update={"value": None, "unscored": "lost"}) if i < 50 else row for i, row in enumerate(full)
    ]
    assert contrast([full, short[:200]], (1.0, -1.0), 0.05).value == 0.0


def verdict(imitator: float) -> object:
    rows = {name: scores("x", drawn(p, 5), CLUSTERS) for name, p in (("b", 0.3), ("i", imitator), ("t", 0.9))}
    return decide(base_scores=rows["b"], imitator_scores=rows["i"], target_scores=rows["t"])


def arms(larger: float) -> dict[str, list[Score]]:
    shares = {"broad": 0.32, "broad_less": 0.31, "larger_base": larger}
    return {name: scores("x", drawn(p, 7), CLUSTERS) for name, p in shares.items()}


@pytest.mark.parametrize(("larger", "holds"), [(0.6, True), (0.33, False)])
def test_the_larger_base_must_bring_more_than_the_data_did(larger: float, holds: bool) -> None:
    verdicts = dict.fromkeys(("broad", "broad_less", "local", "larger_base"), verdict(0.3))
    found = claims(verdicts, arms(larger), plain=False)  # type: ignore[arg-type]
    assert found[-1].holds is holds
    assert [claim.holds for claim in found[:2]] == [False, False]


@pytest.mark.parametrize(("share", "imitator", "holds"), [(0.95, 0.3, True), (0.45, 0.3, False), (0.95, 0.85, False)])
def test_to_be_taken_for_the_target_is_a_claim_only_beside_a_gap_that_stays(
    share: float, imitator: float, holds: bool
) -> None:
    found = verdict(imitator)
    taken = TakenShare(share=share, ci=(share - 0.05, min(1.0, share + 0.05)), n=300, unscored=0)
    told = ToldApart(accuracy=0.9, ci=(0.8, 1.0), n=600, chance=0.5)
    asked = ClassifierResult(
        classifier="surface", imitator=taken, base=None, target=None, target_second=None, base_or_target=told
    )
    found = found.model_copy(update={"attribution": AttributionResult(classifiers=(asked,))})  # type: ignore[attr-defined]
    made = claims(
        dict.fromkeys(("broad", "broad_less", "local", "larger_base"), found),
        arms(0.6),
        plain=False,
    )
    claim = next(claim for claim in made if "taken for the target" in claim.text)
    assert claim.holds is holds
    assert f"{100 * share:.1f}%" in claim.detail
    assert "gap in capability" in claim.detail


def test_without_style_only_the_absence_of_style_verdicts_is_claimed() -> None:
    verdicts = dict.fromkeys(("broad", "broad_less", "local", "larger_base"), verdict(0.3))
    found = claims(verdicts, arms(0.6), plain=True)  # type: ignore[arg-type]
    assert (found[0].holds, len(found)) == (True, 2)


def test_the_study_folder_holds_every_arms_report(tmp_path: Path) -> None:
    reports = {}
    for name in ("broad", "broad_less", "local", "larger_base"):
        reports[name] = tmp_path / "in" / name
        reports[name].mkdir(parents=True)
        (reports[name] / "verdict.json").write_text(verdict(0.3).model_dump_json())  # type: ignore[attr-defined]
        (reports[name] / "report.html").write_text(f"<html>{name}</html>")
    out = tmp_path / "out"
    out.mkdir()
    write_study(
        out, reports, arms(0.6), title="T", plain=False, with_claims=True, arms={"broad": ("Broad <b>", "words")}
    )
    page = (out / "study.html").read_text()
    assert "Broad &lt;b&gt;" in page
    assert 'href="local/report.html"' in page
    assert (out / "local" / "report.html").read_text() == "<html>local</html>"
    assert [entry["name"] for entry in json.loads((out / "study.json").read_text())["entries"]] == list(reports)
