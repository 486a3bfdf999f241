"""The study on a Kubeflow Pipelines server gives the verdicts it gives here.

Needs TOUCHSTONE_KFP_HOST, TOUCHSTONE_IMAGES (an images.lock) and, to read the report back, TOUCHSTONE_STORE with the
object store's endpoint and credentials as the server's cluster has them. TOUCHSTONE_TEST_PRESET=smoke runs the whole
study instead of the toy.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from components.contracts import environment
from pipelines.local.study import StudyResult

pytestmark = pytest.mark.cluster
PRESET = os.environ.get("TOUCHSTONE_TEST_PRESET", "dry_run")
NEEDED = (environment.KFP_HOST, environment.STORE, "TOUCHSTONE_IMAGES")
HOUR = 3600.0


@pytest.fixture(scope="module", autouse=True)
def _server() -> None:
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        pytest.skip(f"no Kubeflow Pipelines to test with: {', '.join(missing)} not set")


def touchstone(*arguments: str | Path, store: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipelines", *map(str, arguments)]
    env = {name: value for name, value in os.environ.items() if store or name != environment.STORE}
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=HOUR, env=env)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def submit(*arguments: str) -> subprocess.CompletedProcess[str]:
    lock = os.environ["TOUCHSTONE_IMAGES"]
    return touchstone("submit", "imitation_audit", "--preset", PRESET, "--images", lock, *arguments)


def test_the_verdicts_equal_those_of_a_local_run(tmp_path: Path) -> None:
    followed = submit("--wait")
    run_id = followed.stdout.strip()
    touchstone("fetch-report", run_id, "-o", tmp_path / "there")
    touchstone("run", "imitation_audit", "--preset", PRESET, "--runs", tmp_path / "runs", "--name", "here", store=False)
    here = tmp_path / "runs" / "here" / "result"
    for entry in StudyResult(here).study.entries:
        name = Path(entry.name) / "verdict.json"
        assert (tmp_path / "there" / name).read_text() == (here / name).read_text(), entry.name
    assert (tmp_path / "there" / "study.json").read_text() == (here / "study.json").read_text()
    shown = json.loads(touchstone("status", run_id, "--json").stdout)
    names = {task["name"] for task in shown["tasks"]}
    assert shown["state"] == "SUCCEEDED"
    assert "generate target-broad" in names
    # Of each it was told while the run went on that it had ended, though the server's own list had stopped by then.
    told = {
        line.split(maxsplit=1)[1] for line in followed.stderr.splitlines() if line.startswith(("succeeded", "cached"))
    }
    assert told >= names
    assert "[touchstone]" in touchstone("logs", run_id, "train broad").stdout


def test_uploading_the_same_version_twice_does_nothing() -> None:
    first, second = submit("--upload-only").stderr, submit("--upload-only").stderr
    assert second.strip().endswith("was there")
    assert first.split()[1] == second.split()[1]
