"""`touchstone judge drift`: the frozen set before its judge again."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from components.contracts.errors import UsageError
from components.contracts.ports import write_rows
from components.contracts.rows import Completion
from pipelines.cli.main import cli
from tests.unit.contracts.chat_server import MODEL, ChatServer
from tests.unit.judging.conftest import JUDGE, NUM_PROMPTS, says


@pytest.fixture
def frozen(server: ChatServer, models: dict[str, Path], tmp_path: Path) -> Path:
    asked = ["judge", "answers", str(models["imitator"]), "--reference", str(models["target"])]
    out = tmp_path / "frozen"
    CliRunner().invoke(cli, [*asked, "--api", server.url, *JUDGE, "--out", str(out)], catch_exceptions=False)
    return out


def drifted(frozen: Path, out: Path, *options: str) -> tuple[dict[str, Any], str]:
    arguments = ["judge", "drift", str(frozen), "--out", str(out), *options, "--json"]
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    return {check["measure"]: check for check in found["drift"]}, done.stderr


def test_the_same_judge_is_asked_anew_and_does_not_warn(server: ChatServer, frozen: Path, tmp_path: Path) -> None:
    before = len(server.asked)
    checks, told = drifted(frozen, tmp_path / "may")
    assert len(server.asked) == 2 * before, "judge, server and template come from the frozen set"
    assert [check["warns"] for check in checks.values()] == [False] * 3
    assert checks["changed"]["n"] == NUM_PROMPTS
    assert told == ""
    drifted(frozen, tmp_path / "may")
    assert len(server.asked) == 2 * before, "the same round is found finished"
    drifted(frozen, tmp_path / "june", "--limit", "5")
    assert len(server.asked) == 2 * before + 10, "another round asks again"


def test_a_judge_that_changed_is_told_on_stderr(server: ChatServer, frozen: Path, tmp_path: Path) -> None:
    says(server, lambda first, second: f"Verdict: {'A' if 'imit' in first else 'B'}")
    checks, told = drifted(frozen, tmp_path / "may")
    assert checks["preference"]["change"] == pytest.approx(0.5)
    assert checks["preference"]["warns"]
    assert "warning: mean credit" in told
    assert "beyond its interval" in told


def test_another_judge_can_be_named(server: ChatServer, frozen: Path, tmp_path: Path) -> None:
    arguments = ["judge", "drift", str(frozen), "--out", str(tmp_path / "o"), "--model", "other-2025-01-01", "--json"]
    found = json.loads(CliRunner().invoke(cli, arguments, catch_exceptions=False).stdout)
    assert (found["was"], found["judge"]) == (MODEL, "other-2025-01-01 (pairwise 1)")


def test_what_is_no_frozen_set_is_refused(server: ChatServer, frozen: Path, tmp_path: Path) -> None:
    for place, out, problem in (
        (tmp_path, tmp_path / "o", "is no finished judging by verdicts"),
        (frozen, frozen, "would be overwritten"),
    ):
        arguments = ["judge", "drift", str(place), "--out", str(out)]
        with pytest.raises(UsageError, match=problem):
            CliRunner().invoke(cli, arguments, catch_exceptions=False)


def test_placebos_of_a_frozen_set_keep_their_opponents(
    server: ChatServer, models: dict[str, Path], tmp_path: Path
) -> None:
    dressed = tmp_path / "dressed"
    rows = [
        Completion(prompt_id=str(i), model="placebo:restyled_base", prompt=f"question {i}", text="- base")
        for i in range(NUM_PROMPTS)
    ]
    write_rows(dressed, Completion, rows)
    asked = ["judge", "answers", str(models["imitator"]), str(dressed), "--reference", str(models["target"])]
    given = [*asked, "--base", str(models["base"]), "--api", server.url, *JUDGE, "--limit", "8"]
    out = ["--out", str(tmp_path / "frozen")]
    assert CliRunner().invoke(cli, [*given, *out], catch_exceptions=False).exit_code == 0
    checks, told = drifted(tmp_path / "frozen", tmp_path / "may")
    assert checks["changed"]["n"] == 2 * 8
    assert told == ""
