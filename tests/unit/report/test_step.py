"""The report step: artifacts in, verdict.json and report.html out."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from components.contracts import bind
from components.contracts.errors import UsageError
from components.contracts.evidence_rows import Judgment, StyleProfile, Support
from components.contracts.ports import Output, write_rows
from components.contracts.rows import Row, Score
from components.contracts.verdict import Verdict
from components.report.decision import decide
from components.report.step import register, report
from tests.unit.report.rows_for_tests import counted, judgment, profiles, scores


def _paths(folder: Path, **rows: list[Score] | list[StyleProfile] | list[Judgment]) -> dict[str, Path]:
    contracts: dict[str, type[Row]] = {"profiles": StyleProfile, "judgments": Judgment}
    for name, given in rows.items():
        write_rows(folder / name, contracts.get(name, Score), given)
    return {name: folder / name for name in rows}


def _scores() -> dict[str, list[Score]]:
    shares = {"base": 0.3, "imitator": 0.3, "target": 0.6}
    return {f"{part}_scores": scores(counted(900, share), model=part) for part, share in shares.items()}


def test_the_folder_holds_the_verdict_and_the_page(tmp_path: Path) -> None:
    rows = {**_scores(), "profiles": profiles(0.85), "judgments": [judgment("p1", "win")]}
    outcome = bind.call(
        report, params={"title": "Ours", "seed": 3}, result=tmp_path / "out", **_paths(tmp_path, **rows)
    )
    verdict = Verdict.model_validate_json((tmp_path / "out" / "verdict.json").read_text())
    assert verdict == decide(**rows, seed=3)  # type: ignore[arg-type]
    assert verdict.verdict == "STYLE_ONLY"
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Ours" in page
    assert verdict.style.closeness == pytest.approx(outcome.metrics["style_closeness"])
    assert outcome.metrics["gate_passed"] == 1.0


def test_the_same_work_gives_the_same_bytes(tmp_path: Path) -> None:
    paths = _paths(tmp_path, **_scores(), profiles=profiles(0.85))
    for name in ("one", "two"):
        bind.call(report, params={}, result=tmp_path / name, **paths)
    for file in ("verdict.json", "report.html", "manifest.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_the_threshold_in_the_support_manifest_decides_coverage(tmp_path: Path) -> None:
    paths = _paths(tmp_path, **_scores(), profiles=profiles(0.85))
    measured = [Support(item_id="i0", benchmark="nq", similarity=0.2)]
    for threshold, covered in ((0.14, True), (0.25, False)):
        Output(tmp_path / "support", Support).write(measured, notes={"threshold": threshold})
        bind.call(report, params={}, result=tmp_path / "out", support=tmp_path / "support", **paths)
        verdict = Verdict.model_validate_json((tmp_path / "out" / "verdict.json").read_text())
        assert verdict.benchmarks[0].supported is covered
        assert verdict.provenance["support_threshold"] == threshold


def test_a_policy_in_the_parameters_decides(tmp_path: Path) -> None:
    paths = _paths(tmp_path, **_scores(), profiles=profiles(0.85))
    bind.call(report, params={"policy": {"require": ["CAPABILITY"]}}, result=tmp_path / "out", **paths)
    assert Verdict.model_validate_json((tmp_path / "out" / "verdict.json").read_text()).gate == "fail"


def test_an_unknown_policy_key_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"policy\.alhpa"):
        bind.call(report, params={"policy": {"alhpa": 0.1}}, result=tmp_path / "out")


def test_nothing_given_is_inconclusive_and_still_makes_a_page(tmp_path: Path) -> None:
    bind.call(report, params={}, result=tmp_path / "out")
    verdict = Verdict.model_validate_json((tmp_path / "out" / "verdict.json").read_text())
    assert verdict.verdict == "INCONCLUSIVE"
    assert (tmp_path / "out" / "report.html").stat().st_size > 1000


def test_rules_that_were_changed_after_registration_are_shown_with_what_they_change(tmp_path: Path) -> None:
    paths = _paths(tmp_path, **_scores(), profiles=profiles(0.85))
    bind.call(register, params={"pipeline": "mine"}, registered=tmp_path / "registered")
    for name, policy in (("kept", {}), ("changed", {"style_captured": 0.95})):
        bind.call(
            report,
            params={"policy": policy},
            result=tmp_path / name,
            registered=tmp_path / "registered",
            **paths,
        )
    kept, changed = (
        Verdict.model_validate_json((tmp_path / name / "verdict.json").read_text()) for name in ("kept", "changed")
    )
    assert kept.provenance["policy_changed"] is False
    assert "changed_rules" not in kept.provenance
    assert changed.provenance["changed_rules"] == ["style_captured: 0.5 -> 0.95"]
    assert f"verdict: STYLE_ONLY -> {changed.verdict}" in changed.provenance["changed_conclusions"]  # type: ignore[operator]
    page = (tmp_path / "changed" / "report.html").read_text()
    assert "style_captured: 0.5 -&gt; 0.95" in page
    assert "How it was decided" not in (tmp_path / "kept" / "report.html").read_text()


@pytest.mark.slow
def test_a_study_of_full_size_is_decided_in_two_seconds() -> None:
    rng = np.random.default_rng(0)
    rows: dict[str, list[Score]] = {}
    for part, accuracies in (("base", (0.47, 0.2)), ("imitator", (0.47, 0.2)), ("target", (0.7, 0.31))):
        rows[f"{part}_scores"] = [
            row
            for (name, n), accuracy in zip((("mmlu", 14042), ("nq", 3610)), accuracies, strict=True)
            for row in scores(list((rng.random(n) < accuracy).astype(float)), benchmark=name, model=part)
        ]
    styles = profiles(0.85, n=805)
    started = time.process_time()
    verdict = decide(**rows, profiles=styles)  # type: ignore[arg-type]
    assert time.process_time() - started < 2.0
    assert verdict.verdict == "STYLE_ONLY"
