"""The command line, killed in the middle of its work and started again."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from components.contracts.dialogue_rows import Dialogue, Removal
from components.contracts.errors import TouchstoneError
from components.contracts.journal import Journal
from components.contracts.ports import Input
from components.contracts.rows import Completion
from pipelines.cli.main import cli
from tests.unit.contracts.chat_server import Answer, Asked, ChatServer

pytestmark = pytest.mark.slow

CONCURRENCY = 4
NUM_ANSWERED = 21
"""Into the second round."""
RUN = "from pipelines.cli.main import main; main()"


def arguments(server: ChatServer, out: Path) -> list[str]:
    options = ["--api", server.url, "--model", "m", "--num-examples", "150", "--concurrency", str(CONCURRENCY)]
    priced = ["--max-usd", "1", "--price-in", "1", "--price-out", "2", "--json", "--out", str(out)]
    return ["data", "synthesize", "nq_synthetic", *options, *priced]


def started(server: ChatServer, out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, *arguments(server, out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finished(server: ChatServer, out: Path) -> dict[str, float]:
    done = CliRunner().invoke(cli, arguments(server, out), catch_exceptions=False)
    counted: dict[str, float] = json.loads(done.stdout)
    return counted


def killed(server: ChatServer, out: Path) -> None:
    """Kill a run when four requests are under way."""
    stuck, release = threading.Event(), threading.Event()

    def script(asked: Asked) -> Answer:
        if asked.number < NUM_ANSWERED:
            return Answer()
        if asked.number == NUM_ANSWERED + CONCURRENCY - 1:
            stuck.set()
        return Answer(after=release)

    server.script = script
    process = started(server, out)
    assert stuck.wait(30)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    server.script = lambda asked: Answer()
    release.set()


def journalled_replies(out: Path) -> int:
    (path,) = out.rglob("journal.log")
    journal = Journal(path.parent)
    found = sum(record.key.startswith("reply ") for record in journal.records())
    journal.close()
    return found


def test_a_killed_run_continues_and_no_journalled_reply_is_asked_for_twice(server: ChatServer, tmp_path: Path) -> None:
    killed(server, tmp_path / "out")
    assert journalled_replies(tmp_path / "out") == NUM_ANSWERED
    assert not (tmp_path / "out" / "dialogues").exists()
    before_kill = server.asked[: NUM_ANSWERED + CONCURRENCY]
    answered_before = {asked.key for asked in before_kill[:NUM_ANSWERED]}
    counted = finished(server, tmp_path / "out")
    asked_later = {asked.key for asked in server.asked[NUM_ANSWERED + CONCURRENCY :]}
    assert not answered_before & asked_later
    under_way = {asked.key for asked in before_kill[NUM_ANSWERED:]}
    assert {key for key, times in server.answered.items() if times > 1} == under_way
    assert under_way <= asked_later, "the same requests under the same idempotency keys"
    assert counted["prompt_tokens"] + counted["completion_tokens"] >= server.billed_tokens, "what was lost is counted"
    assert 0 < counted["cost_usd"] <= 1
    assert not list((tmp_path / "out").rglob("journal.log"))

    alone = finished(server, tmp_path / "alone")
    for port, contract in (("dialogues", Dialogue), ("removed", Removal), ("replies", Completion)):
        assert Input(tmp_path / "out" / port, contract).rows() == Input(tmp_path / "alone" / port, contract).rows()
    assert counted["examples"] == alone["examples"] == 150


def test_two_runs_of_the_same_work_do_not_pay_both(server: ChatServer, tmp_path: Path) -> None:
    stuck, release = threading.Event(), threading.Event()

    def script(asked: Asked) -> Answer:
        stuck.set()
        return Answer(after=release)

    server.script = script
    first = started(server, tmp_path)
    assert stuck.wait(30)
    with pytest.raises(TouchstoneError, match="another process is doing the same work"):
        finished(server, tmp_path)
    release.set()
    told, _ = first.communicate()
    assert json.loads(told)["examples"] == 150
    assert set(server.answered.values()) == {1}


def test_a_lost_machine_loses_next_to_nothing_with_an_object_store(
    server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOUCHSTONE_STORE", f"file://{tmp_path}/bucket")
    monkeypatch.setenv("TOUCHSTONE_CACHE", str(tmp_path / "one machine"))
    killed(server, tmp_path / "out")
    assert list((tmp_path / "one machine").rglob("journal.log"))
    monkeypatch.setenv("TOUCHSTONE_CACHE", str(tmp_path / "another machine"))
    assert finished(server, tmp_path / "out")["examples"] == 150
    # What was under way, and what had been journalled here and not yet there in that moment.
    assert sum(times - 1 for times in server.answered.values()) <= 2 * CONCURRENCY
    assert not list((tmp_path / "bucket" / "journals").rglob("*.log"))
