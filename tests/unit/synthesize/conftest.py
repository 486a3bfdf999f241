import random
from collections.abc import Iterator

import pytest

from tests.unit.contracts.chat_server import Asked, ChatServer


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TOUCHSTONE_API_KEY", "OPENAI_API_KEY", "TOUCHSTONE_STORE"):
        monkeypatch.delenv(name, raising=False)


def chatter(asked: Asked) -> str:
    """What a target says: the same to the same request, with repetitions, a copied seed and flaws now and then."""
    draw = random.Random(asked.body["seed"])
    said = [f"Q: who did thing {draw.randrange(400)}?\nA: person {draw.randrange(2)}" for _ in range(4)]
    if draw.random() < 0.3:
        said.append("Q: Name of the bird in The Lion King?\nA: Zazu")
    if draw.random() < 0.2:
        said.append("Q: who has no answer")
    return "Sure!\n\n" * (draw.random() < 0.1) + "\n\n".join(said)


@pytest.fixture
def server() -> Iterator[ChatServer]:
    made = ChatServer()
    made.reply_text = chatter
    yield made
    made.close()
