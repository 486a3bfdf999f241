import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.contracts.chat_server import MODEL, Asked, ChatServer

NUM_PROMPTS = 40
JUDGE = ["--model", MODEL]
Say = Callable[[str, str], str]
"""Answers shown first and second -> the reply."""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TOUCHSTONE_API_KEY", "OPENAI_API_KEY", "TOUCHSTONE_STORE"):
        monkeypatch.delenv(name, raising=False)


def shown(asked: Asked) -> tuple[str, str]:
    """The two answers in a question, in its order."""
    mark = asked.text.partition("----- ")[2].partition(":")[0]
    parts = asked.text.split(f"----- {mark}: ")
    return parts[2].partition("\n")[2].strip(), parts[3].partition("\n")[2].strip()


def says(server: ChatServer, say: Say) -> None:
    server.reply_text = lambda asked: say(*shown(asked))


def longer(first: str, second: str) -> str:
    return f"One says more.\nVerdict: {'A' if len(first) > len(second) else 'B' if first != second else 'TIE'}"


@pytest.fixture
def server() -> Iterator[ChatServer]:
    made = ChatServer()
    says(made, longer)
    yield made
    made.close()


def answers(folder: Path, name: str, length: Callable[[int], int], **changes: Any) -> Path:
    """A file of one model's answers, `length(i)` words to question i."""
    rows = [
        {"id": str(i), "prompt": f"question {i}", "output": " ".join([name] * length(i)), "model": name, **changes}
        for i in range(NUM_PROMPTS)
    ]
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def models(tmp_path: Path) -> dict[str, Path]:
    """The imitator says more than the target on every second question, the base never."""
    return {
        "base": answers(tmp_path, "base", lambda i: 1),
        "imitator": answers(tmp_path, "imit", lambda i: 9 if i % 2 else 2),
        "target": answers(tmp_path, "targ", lambda i: 5),
    }
