"""A judging, killed in the middle of its work and started again."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from components.contracts.evidence_rows import Judgment
from components.contracts.ports import Input
from pipelines.cli.main import cli
from tests.unit.contracts.chat_server import Answer, Asked, ChatServer
from tests.unit.judging.conftest import JUDGE

pytestmark = pytest.mark.slow

CONCURRENCY = 4
NUM_ANSWERED = 33
RUN = "from pipelines.cli.main import main; main()"


def arguments(server: ChatServer, models: dict[str, Path], out: Path) -> list[str]:
    asked = ["judge", "answers", str(models["imitator"]), str(models["base"]), "--reference", str(models["target"])]
    return [*asked, "--api", server.url, *JUDGE, "--concurrency", str(CONCURRENCY), "--json", "--out", str(out)]


def killed(server: ChatServer, models: dict[str, Path], out: Path) -> None:
    """Kill a judging when four requests are under way."""
    stuck, release = threading.Event(), threading.Event()

    def script(asked: Asked) -> Answer:
        if asked.number < NUM_ANSWERED:
            return Answer()
        if asked.number == NUM_ANSWERED + CONCURRENCY - 1:
            stuck.set()
        return Answer(after=release)

    server.script = script
    process = subprocess.Popen([sys.executable, "-c", RUN, *arguments(server, models, out)], stdout=subprocess.PIPE)
    assert stuck.wait(60)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    server.script = lambda asked: Answer()
    release.set()


def test_a_killed_judging_continues_and_no_reply_is_paid_for_twice(
    server: ChatServer, models: dict[str, Path], tmp_path: Path
) -> None:
    killed(server, models, tmp_path / "out")
    assert not (tmp_path / "out" / "judgments").exists(), "nothing half-made looks finished"
    before = {asked.key for asked in server.asked[:NUM_ANSWERED]}
    done = CliRunner().invoke(cli, arguments(server, models, tmp_path / "out"), catch_exceptions=False)
    metrics = json.loads(done.stdout)["metrics"]
    later = [asked.key for asked in server.asked[NUM_ANSWERED + CONCURRENCY :]]
    assert not before & set(later)
    assert len(later) == 160 - NUM_ANSWERED, "what was under way is asked again, under the same idempotency keys"
    assert {asked.key for asked in server.asked[NUM_ANSWERED : NUM_ANSWERED + CONCURRENCY]} <= set(later)
    assert metrics["lost_tokens"] > 0, "and counts as spent"

    alone = CliRunner().invoke(cli, arguments(server, models, tmp_path / "alone"), catch_exceptions=False)
    assert alone.exit_code == 0
    rows = [Input(tmp_path / name / "judgments", Judgment).rows() for name in ("out", "alone")]
    assert rows[0] == rows[1]
