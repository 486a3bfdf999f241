from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from components.contracts.errors import UsageError
from pipelines.cli.main import cli
from tests.unit.contracts.chat_server import ChatServer

TASK = """
name: capitals
source: capitals
seeds:
  - {question: "capital of france?", answer: paris}
seeds_per_prompt: 1
prompt: "More: {examples}"
reply: {form: json}
num_examples: 3
"""


def invoke(server: ChatServer, out: Path, task: str, *options: str) -> Result:
    given = ["data", "synthesize", task, "--api", server.url, "--model", "m", "--out", str(out), *options]
    return CliRunner().invoke(cli, given)


def test_a_task_of_ones_own_is_asked_and_summed_up(server: ChatServer, tmp_path: Path) -> None:
    (tmp_path / "capitals.yaml").write_text(TASK)
    server.reply_text = lambda asked: f'[{{"question": "capital of {asked.number}?", "answer": "{asked.number}"}}]'
    options = ("--price-in", "1000", "--price-out", "1000", "--terms", "open")
    done = invoke(server, tmp_path / "out", str(tmp_path / "capitals.yaml"), *options)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("3 examples from 3 replies (")
    assert "USD)" in done.stdout
    assert "set aside: nothing" in done.stdout
    again = invoke(server, tmp_path / "out", str(tmp_path / "capitals.yaml"), *options)
    assert "found finished; nothing was asked" in again.stdout
    assert len(server.asked) == 3


def test_a_limit_in_money_needs_prices(server: ChatServer, tmp_path: Path) -> None:
    done = invoke(server, tmp_path, "nq_synthetic", "--max-usd", "1", "--price-in", "1")
    assert done.exit_code == 2
    assert "--price-in and --price-out" in done.output
    assert server.asked == []


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "there is no"), ("name: [", "mine.yaml, line"), (TASK.replace("More", "{examples}"), "examples} once")],
)
def test_a_task_that_cannot_be_read_is_told_by_file(
    server: ChatServer, tmp_path: Path, content: str | None, told: str
) -> None:
    if content is not None:
        (tmp_path / "mine.yaml").write_text(content)
    failure = invoke(server, tmp_path / "out", str(tmp_path / "mine.yaml")).exception
    assert isinstance(failure, UsageError)
    assert told in str(failure)
    assert "mine.yaml" in str(failure)
