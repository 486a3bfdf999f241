"""`touchstone verdict` by another policy, and as one of several looks at a growing run."""

from __future__ import annotations

import csv
import json
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from components.contracts.ports import Input, write_rows
from components.contracts.rows import Score
from pipelines.cli import main

ITEMS = 400


class Ran(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def touchstone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run the command line in this process; what it exits with and prints."""

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["touchstone", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "100")
        with pytest.raises(SystemExit) as caught:
            main.main()
        streams = capsys.readouterr()
        return Ran(int(caught.value.code or 0), streams.out, streams.err)

    return run


def _audit(folder: Path, touchstone: Callable[..., Ran], n: int, *, flipped: int = 0, out: Path | None = None) -> Path:
    """An audit of the first n items of a run in which the imitator closes 60% of two gaps.

    Args:
        folder: Where its files go.
        touchstone: The command line.
        n: Items of each benchmark.
        flipped: Scores of the imitator that differ from the run's.
        out: Where the audit goes unless below the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(0)
    scores = {role: [rng.random() < p for _ in range(2 * ITEMS)] for role, p in _SHARES.items()}
    for role, values in scores.items():
        with (folder / f"{role}.csv").open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["benchmark", "item_id", "score"])
            for number, name in enumerate(("quiz", "code")):
                for i in range(n):
                    value = values[number * ITEMS + i] ^ (role == "imitator" and i < flipped)
                    writer.writerow([name, f"{name}-{i}", int(value)])
    given = [part for role in _SHARES for part in ("--scores", f"{role}={folder / role}.csv")]
    out = out or folder / "result"
    ran = touchstone("audit", *given, "--out", out)
    assert ran.code == 0, ran.err
    return out


_SHARES = {"base": 0.3, "imitator": 0.48, "target": 0.6}


def test_another_policy_says_which_rules_and_conclusions_change(tmp_path: Path, touchstone: Callable[..., Ran]) -> None:
    result = _audit(tmp_path / "a", touchstone, ITEMS)
    ran = touchstone("verdict", result, "--policy", "release_gate")
    assert ran.code == 3, "without known support the gate is not passed"
    assert "By release_gate instead of study" in ran.out
    assert "rule  require_support: no -> yes" in ran.out
    assert "says  verdict: CAPABILITY -> INCONCLUSIVE" in ran.out
    assert "says  gate: pass -> fail" in ran.out


def test_json_keeps_stdout_to_the_verdict_and_the_changes_in_its_provenance(
    tmp_path: Path, touchstone: Callable[..., Ran]
) -> None:
    result = _audit(tmp_path / "a", touchstone, ITEMS)
    ran = touchstone("verdict", result, "--policy", "research", "--json")
    assert ran.code == 0
    provenance = json.loads(ran.out)["provenance"]
    assert provenance["policy_changed"] is True
    assert "alpha: 0.05 -> 0.01" in provenance["changed_rules"]
    assert "verdict: CAPABILITY -> INCONCLUSIVE" in provenance["changed_conclusions"]
    assert "By research instead of study" in ran.err


def test_the_same_policy_changes_nothing(tmp_path: Path, touchstone: Callable[..., Ran]) -> None:
    result = _audit(tmp_path / "a", touchstone, ITEMS)
    ran = touchstone("verdict", result, "--policy", "study")
    assert ran.code == 0
    assert "nothing changes" in ran.out


def test_a_second_look_says_that_alpha_is_not_spent(tmp_path: Path, touchstone: Callable[..., Ran]) -> None:
    first, second = _audit(tmp_path / "a", touchstone, ITEMS // 2), _audit(tmp_path / "b", touchstone, ITEMS)
    ran = touchstone("verdict", second, "--earlier", first)
    assert ran.code == 0
    assert "Look 2 at this run (quiz: 200, 400; code: 200, 400). Alpha is not spent" in ran.out
    assert "in 8.3%, not 5.0%" in ran.out  # Armitage, McPherson and Rowe 1969 for two equal looks


@pytest.mark.slow
def test_planned_looks_spend_alpha_and_judge_by_what_is_left(tmp_path: Path, touchstone: Callable[..., Ran]) -> None:
    first, second = _audit(tmp_path / "a", touchstone, ITEMS // 2), _audit(tmp_path / "b", touchstone, ITEMS)
    planned = ("--planned-items", "quiz=400", "--planned-items", "code=400")
    early = json.loads(touchstone("verdict", first, *planned, "--json").out)
    late = json.loads(touchstone("verdict", second, "--earlier", first, *planned, "--json").out)
    # Lan-DeMets boundaries of two equal looks: 2.963 and 1.969.
    assert early["provenance"]["looks"]["level"] == pytest.approx(0.0031, abs=1e-4)
    assert late["provenance"]["looks"]["level"] == pytest.approx(0.0490, abs=2e-4)
    width = [b["delta_ci"][1] - b["delta_ci"][0] for found in (early, late) for b in found["benchmarks"][:1]]
    assert width[0] > 1.8 * width[1], "early intervals are at the early level"


def test_changed_answers_are_no_earlier_look(tmp_path: Path, touchstone: Callable[..., Ran]) -> None:
    first, second = _audit(tmp_path / "a", touchstone, 100, flipped=3), _audit(tmp_path / "b", touchstone, ITEMS)
    ran = touchstone("verdict", second, "--earlier", first)
    assert ran.code == 1
    assert "item quiz-0 of its imitator_scores has another score (0 missing, 6 changed)" in ran.err
    assert touchstone("verdict", first, "--earlier", second).code == 1, "a later look is not an earlier one"


def test_more_items_than_planned_and_looks_that_do_not_grow_are_refused(
    tmp_path: Path, touchstone: Callable[..., Ran]
) -> None:
    result = _audit(tmp_path / "a", touchstone, 100)
    few = touchstone("verdict", result, "--planned-items", "quiz=150", "--planned-items", "code=50")
    assert few.code == 2
    assert "has 100 items of code, 50 were planned" in few.err
    again = touchstone("verdict", result, "--earlier", result)
    assert again.code == 2
    assert "shares that grow from look to look" in again.err


@pytest.mark.parametrize(
    ("planned", "found"),
    [
        (["800"], "--planned-items 800: 2 benchmarks were measured, and each has its own plan"),
        (["quiz=400"], "no plan for code"),
        (["quiz=400", "cod=400"], "cod was not measured"),
        (["quiz=400", "code=many"], "--planned-items code=many"),
        (["quiz=400", "code=0"], "--planned-items code=0"),
        (["quiz=400", "quiz=300"], "two plans for quiz"),
    ],
)
def test_plans_that_do_not_fit_the_benchmarks_are_refused(
    tmp_path: Path, touchstone: Callable[..., Ran], planned: list[str], found: str
) -> None:
    result = _audit(tmp_path / "a", touchstone, 40)
    ran = touchstone("verdict", result, *(part for entry in planned for part in ("--planned-items", entry)))
    assert ran.code == 2
    assert found in ran.err


def test_the_benchmark_with_the_least_level_decides(tmp_path: Path, touchstone: Callable[..., Ran]) -> None:
    result = _audit(tmp_path / "a", touchstone, 200)
    ran = touchstone("verdict", result, "--planned-items", "quiz=200", "--planned-items", "code=400")
    assert "(quiz: 200 of 200 planned; code: 200 of 400 planned): judged at 0.00305 (the level of code, the least)" in (
        " ".join(ran.out.split())
    )


def test_one_number_is_told_with_all_that_is_needed_to_check_it(tmp_path: Path, touchstone: Callable[..., Ran]) -> None:
    result = _audit(tmp_path / "a", touchstone, ITEMS)
    ran = touchstone("verdict", result, "--show", "quiz.delta")
    assert ran.code == 0
    assert "400 items" in ran.out
    assert f"{result}/rows/imitator_scores/rows.jsonl where benchmark = quiz" in ran.out
    found = json.loads(touchstone("verdict", result, "--show", "quiz.delta", "--json").out)
    scores = {role: [] for role in ("base", "imitator")}
    for role, values in scores.items():
        for line in (result / "rows" / f"{role}_scores" / "rows.jsonl").read_text().splitlines():
            row = json.loads(line)
            values += [row["value"]] if row["benchmark"] == "quiz" else []
    means = {role: sum(values) / len(values) for role, values in scores.items()}
    assert found["value"] == pytest.approx(means["imitator"] - means["base"])
    assert found["ci"][0] < found["value"] < found["ci"][1]
    listed = touchstone("verdict", result, "--show", "all").out
    assert {"quiz.delta", "code.gap_closed", "pooled.all.gap_closed"} <= {
        line.split()[0] for line in listed.splitlines()
    }


def test_an_address_that_is_none_is_a_slip_and_a_failed_gate_does_not_hide_a_number(
    tmp_path: Path, touchstone: Callable[..., Ran]
) -> None:
    result = _audit(tmp_path / "a", touchstone, 100)
    assert touchstone("verdict", result, "--show", "quiz.dleta").code == 2
    assert touchstone("verdict", result, "--policy", "release_gate", "--show", "quiz.delta").code == 0


def test_a_verdict_by_another_policy_has_pages_of_its_own_that_say_so(
    tmp_path: Path, touchstone: Callable[..., Ran]
) -> None:
    result, out = _audit(tmp_path / "a", touchstone, ITEMS), tmp_path / "strict"
    before = (result / "report.html").read_bytes()
    plan = ("--planned-items", "quiz=1000", "--planned-items", "code=400")
    ran = touchstone("verdict", result, "--policy", "research", *plan, "--out", out)
    assert ran.code == 0
    page = (out / "report.html").read_text()
    for text in (page, (out / "report.md").read_text().replace("\\", "")):
        assert "alpha: 0.05 -&gt; 0.01" in text or "alpha: 0.05 -> 0.01" in text
        assert "of 1,000 planned; code" in text
    href = next(part for part in page.split('"') if part.endswith("base_scores/rows.jsonl"))
    assert (out / href).resolve() == (result / "rows" / "base_scores" / "rows.jsonl").resolve()
    assert "touchstone verdict result --policy research --planned-items quiz=1000 --planned-items code=400" in page
    assert str(tmp_path) not in page
    assert (result / "report.html").read_bytes() == before
    assert touchstone("verdict", result, "--out", result).code == 2
    (out / "mine.txt").write_text("kept")
    assert touchstone("verdict", result, "--out", out).code == 2


@pytest.mark.slow
def test_an_audit_is_redacted_afterwards(tmp_path: Path, touchstone: Callable[..., Ran]) -> None:
    secret = "who keeps the harbour light"
    for role, prompts in {"base": 40, "imitator": 38, "target": 40}.items():
        rows = [{"prompt": f"{secret} {i}?", "output": f"{role} says {i} {secret}"} for i in range(prompts)]
        (tmp_path / f"{role}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    roles = [part for role in ("base", "imitator", "target") for part in (f"--{role}", tmp_path / f"{role}.jsonl")]
    assert touchstone("audit", *roles, "--out", tmp_path / "open").code == 0
    assert touchstone("audit", *roles, "--redact", "--out", tmp_path / "closed").code == 0
    assert secret in (tmp_path / "open" / "report.html").read_text()
    ran = touchstone("verdict", tmp_path / "open", "--redact", "--json", "--out", tmp_path / "sent")
    assert secret not in ran.out
    for name in ("report.html", "report.md", "verdict.json"):
        assert secret not in (tmp_path / "sent" / name).read_text()
    assert json.loads(ran.out) == json.loads((tmp_path / "closed" / "verdict.json").read_text())


def test_lost_rows_are_never_left_out_on_our_own_advice(tmp_path: Path, touchstone: Callable[..., Ran]) -> None:
    result = _audit(tmp_path / "a", touchstone, 100)
    (result / "rows" / "base_scores" / "rows.jsonl").unlink()
    ran = touchstone("verdict", result)
    assert ran.code == 1
    assert "run the audit again" in ran.err
    assert "remove" not in ran.err


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (shutil.rmtree, "target_scores is missing"),
        (lambda port: [file.unlink() for file in port.iterdir()], "target_scores has no manifest.json"),
        (lambda port: write_rows(port, Score, Input(port, Score).rows()[:20]), "holds other rows"),
        (lambda port: shutil.copytree(port, port.with_name("base_variants")), "base_variants was added"),
    ],
    ids=["deleted", "emptied", "cut and sealed anew", "added"],
)
def test_ports_are_those_that_the_audit_was_made_of(
    tmp_path: Path, touchstone: Callable[..., Ran], harm: Callable[[Path], object], said: str
) -> None:
    result = _audit(tmp_path / "a", touchstone, 100)
    assert touchstone("verdict", result).code == 0
    harm(result / "rows" / "target_scores")
    for more in ((), ("--show", "quiz.delta"), ("--policy", "research")):
        ran = touchstone("verdict", result, *more)
        assert ran.code == 1
        assert said in " ".join(ran.err.split())
        assert "base_scores, imitator_scores, target_scores" in " ".join(ran.err.split())
        assert "run the audit again" in ran.err


@pytest.mark.slow
def test_an_audit_in_the_place_of_one_on_fewer_items_says_that_it_is_a_further_look(
    tmp_path: Path, touchstone: Callable[..., Ran]
) -> None:
    place = tmp_path / "result"
    looks = [_audit(tmp_path / str(n), touchstone, n, out=place) and _warnings(place) for n in (200, 200, 400, 400)]
    assert [sum("Look" in line for line in found) for found in looks] == [0, 0, 1, 1], "the same items are no look"
    assert "(quiz 200 of 400 and code 200 of 400)" in looks[2][0]
    assert "in 8.3%, not 5.0%" in looks[2][0]  # Armitage, McPherson and Rowe 1969 for two equal looks
    verdict = json.loads((place / "verdict.json").read_text())
    assert json.loads(touchstone("verdict", place, "--json").out) == verdict
    other = _audit(tmp_path / "other", touchstone, 400, flipped=20, out=place)
    assert not any("Look" in line for line in _warnings(other)), "another run is no look at this one"


def _warnings(place: Path) -> list[str]:
    found: list[str] = json.loads((place / "verdict.json").read_text())["warnings"]
    return found


def test_an_earlier_look_that_lost_a_port_is_refused(tmp_path: Path, touchstone: Callable[..., Ran]) -> None:
    first, second = _audit(tmp_path / "a", touchstone, 100), _audit(tmp_path / "b", touchstone, 200)
    shutil.rmtree(first / "rows" / "imitator_scores")
    ran = touchstone("verdict", second, "--earlier", first)
    assert ran.code == 1
    assert "imitator_scores is missing" in " ".join(ran.err.split())
