"""Threads that take items in turn, and how their work ends early."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.contracts.chat_api.ask import Ask, Message
from components.contracts.chat_api.client import ChatClient
from components.contracts.chat_api.hands import Hands
from components.contracts.chat_api.settings import ApiTarget
from components.contracts.journal import Journal
from tests.unit.contracts.chat_server import Answer, Asked, ChatServer


@pytest.mark.parametrize("num_threads", [1, 4])
def test_every_item_is_taken_once_and_in_order(num_threads: int) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(200):
            taken.append(number)
            os.sched_yield()  # another thread could ask for the next meanwhile
            yield number

    done: list[int] = []
    Hands(num_threads, items(), done.append).run()
    assert taken == list(range(200))
    assert sorted(done) == taken


def test_there_are_as_many_threads_as_were_allowed_and_no_more() -> None:
    together, seen = threading.Barrier(3), []

    def work(number: int) -> None:
        # The first three are at work at once, or this would not end.
        if number < 3:
            together.wait(10)
            seen.append(sum(thread.name.startswith("hand-") for thread in threading.enumerate()))
            together.wait(10)

    Hands(3, iter(range(100)), work).run()
    assert seen == [3, 3, 3]


def test_few_items_start_few_threads() -> None:
    names = set()
    Hands(64, iter(range(2)), lambda number: names.add(threading.current_thread().name)).run()
    assert names <= {"hand-0", "hand-1", "hand-2"}


def test_what_the_work_raises_ends_it_and_what_is_under_way_is_finished() -> None:
    failed, done, began = threading.Event(), [], []

    def work(number: int) -> None:
        began.append(number)
        if number == 1:
            failed.set()
            raise ValueError("no more")
        assert failed.wait(10)
        done.append(number)

    with pytest.raises(ValueError, match="no more"):
        Hands(2, iter(range(1000)), work).run()
    assert sorted([*done, 1]) == sorted(began)
    assert len(began) < 1000


def test_what_the_items_raise_is_raised() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("the list ends here")

    done: list[int] = []
    with pytest.raises(OSError, match="the list ends here"):
        Hands(4, items(), done.append).run()
    assert done == [1]


def test_an_interrupt_waits_for_the_replies_that_are_under_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOUCHSTONE_API_KEY", raising=False)
    main = threading.main_thread().ident
    assert main is not None

    def script(asked: Asked) -> Answer:
        if asked.number == 4:
            signal.pthread_kill(main, signal.SIGINT)
        return Answer()

    server, journal = ChatServer(script), Journal(tmp_path / "journal")
    # Whoever starts the tests in the background may have had the signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    asks = [Ask(str(i), 20, (Message("user", f"hello {i}"),)) for i in range(2000)]
    try:
        with ChatClient(ApiTarget(base_url=server.url, model="m", concurrency=2), journal) as client:
            with pytest.raises(KeyboardInterrupt):
                client.answer(asks)
            assert client.num_kept == len(server.asked) < 2000
            assert client.counts.lost == 0
            assert "waiting for the replies that are on their way" in capsys.readouterr().err
            asked = len(server.asked)
            assert client.answer(asks[: asked + 1]) == "complete"
            assert len(server.asked) == asked + 1
    finally:
        signal.signal(signal.SIGINT, before)
        server.close()
        journal.close()
