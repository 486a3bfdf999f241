"""The study's graph, executed by kfp.local at toy size: every box real, every number tiny."""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from components.contracts.ports import Checkpoint, Input
from components.contracts.rows import Score
from components.contracts.verdict import Verdict

ARMS = ("broad", "broad_less", "local", "larger_base")
COMMAND = [sys.executable, "-m", "pipelines", "run", "imitation_audit", "--preset", "dry_run"]
KILLED_WHEN_STARTED = "ingest local"


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    arguments = [*COMMAND, "--runs", str(folder.parent), "--name", folder.name, *options]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    done = run(folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def killed_and_resumed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "killed"
    arguments = [*COMMAND, "--runs", str(folder.parent), "--name", folder.name]
    command = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    log = folder / "log.txt"
    while not (log.exists() and f"started {KILLED_WHEN_STARTED}" in log.read_text()):
        # Waiting for its end leaves it the processor that asking without pause would take from it.
        with contextlib.suppress(subprocess.TimeoutExpired):
            pytest.fail(f"the run ended before it could be killed, with {command.wait(timeout=0.05)}")
        assert time.monotonic() < deadline, "the run never came to the step at which it is killed"
    command.send_signal(signal.SIGKILL)
    command.wait()
    done = run(folder)
    assert done.returncode == 0, done.stderr
    return folder


def result(folder: Path) -> dict[str, Any]:
    """Every file of a run's result."""
    root = folder / "result"
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_every_arm_has_a_verdict_and_a_page(undisturbed: Path) -> None:
    for arm in ARMS:
        verdict = Verdict.model_validate_json((undisturbed / "result" / arm / "verdict.json").read_text())
        assert {b.name for b in verdict.benchmarks} == {"quiz_open", "quiz_choice"}
        assert verdict.preference[0].n + verdict.preference[0].unscored == 40
        assert "no order" in str(verdict.preference[0].note)
        assert "<html" in (undisturbed / "result" / arm / "report.html").read_text()
    assert json.loads((undisturbed / "result" / "study.json").read_text())["entries"][0]["name"] == "broad"


def test_artifacts_can_be_read_by_name_and_are_whole(undisturbed: Path) -> None:
    store = undisturbed / "artifacts"
    (scores,) = store.glob("benchmark-score-larger_base-*/scores")
    rows = Input(scores, Score).rows()
    assert {row.model for row in rows} == {"larger_base"}
    assert {row.num_shots for row in rows if row.benchmark == "quiz_choice"} == {5}
    (imitator,) = store.glob("train-train-larger_base-*/checkpoint")
    parents = Input(imitator, Checkpoint).manifest.parents
    (large,) = store.glob("train-pretrain-*/large")
    assert parents["base"] == Input(large, Checkpoint).digest


def test_a_killed_run_goes_on_and_gives_the_same_bytes(undisturbed: Path, killed_and_resumed: Path) -> None:
    log = (killed_and_resumed / "log.txt").read_text()
    assert "reused pretrain" in log
    assert log.count("] started pretrain") == 2
    assert log.count("finished in") < 2 * (undisturbed / "log.txt").read_text().count("finished in")
    assert result(killed_and_resumed) == result(undisturbed)


@pytest.mark.long
def test_the_same_command_again_does_nothing_twice(undisturbed: Path) -> None:
    before = result(undisturbed)
    done = run(undisturbed)
    assert done.returncode == 0, done.stderr
    last_run = (undisturbed / "log.txt").read_text().rpartition("] reused build_world")[2]
    assert "finished in" not in last_run
    assert result(undisturbed) == before


def test_a_run_in_use_is_refused(undisturbed: Path) -> None:
    import fcntl

    with (undisturbed / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = run(undisturbed)
    assert done.returncode == 2
    assert "in use by another run" in done.stderr


def test_bad_data_stop_the_run_with_reasons(undisturbed: Path, tmp_path: Path) -> None:
    """The gate sees the real check fail: toy replies are not two thousand. What a good run finished is found."""
    from components.contracts.errors import GateNotPassed
    from pipelines import catalog
    from pipelines.local.study import run_study

    config = catalog.preset("imitation_audit", "dry_run")
    strict = config.model_copy(update={"report": {**config.report, "policy": {"data": {"min_dialogues": 2000}}}})
    shutil.copytree(undisturbed / "artifacts", tmp_path / "bad" / "artifacts")
    with pytest.raises(GateNotPassed, match="at least 2000 dialogues") as raised:
        run_study("imitation_audit", strict, tmp_path / "bad")
    assert raised.value.exit_code == 3
    assert "reused pretrain" in (tmp_path / "bad" / "log.txt").read_text()
    assert not (tmp_path / "bad" / "result").exists()


def test_an_unknown_preset_names_those_there_are(tmp_path: Path) -> None:
    done = run(tmp_path / "x", "--preset", "smok")
    assert done.returncode == 2
    assert "smoke" in done.stderr
    assert "Traceback" not in done.stderr
