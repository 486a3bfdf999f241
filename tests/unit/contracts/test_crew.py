import threading
from collections import Counter
from functools import partial

import pytest

from components.contracts.s3.crew import Crew


def test_every_task_is_done_once_and_what_tasks_add() -> None:
    crew, done, lock = Crew(4), Counter[str](), threading.Lock()

    def leaf(name: str) -> None:
        with lock:
            done[name] += 1

    def branch(name: str) -> None:
        leaf(name)
        crew.add(partial(leaf, f"{name}/{number}") for number in range(7))

    crew.run([partial(branch, str(number)) for number in range(30)])
    assert done == Counter([str(a) for a in range(30)] + [f"{a}/{b}" for a in range(30) for b in range(7)])


def test_a_thread_stays_with_what_it_began() -> None:
    crew, order = Crew(1), list[str]()

    def begin(name: str) -> None:
        crew.add(partial(order.append, f"{name}{number}") for number in range(3))

    crew.run([partial(begin, "a"), partial(begin, "b")])
    assert order == ["a0", "a1", "a2", "b0", "b1", "b2"]


def test_idle_threads_help_with_the_last_lane() -> None:
    crew, together = Crew(3), threading.Barrier(3)
    # The barrier opens only when all three threads work on what the one task added.
    crew.run([lambda: crew.add(partial(together.wait, 30) for _ in range(3))])
    assert not together.broken


def test_no_more_threads_than_asked_for() -> None:
    crew, lock, now, most = Crew(3), threading.Lock(), [0], [0]
    entered = threading.Barrier(3)

    def task() -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        entered.wait(30)
        with lock:
            now[0] -= 1

    crew.run([task] * 9)
    assert most == [3]


@pytest.mark.slow
def test_the_first_failure_stops_the_rest_and_is_raised() -> None:
    crew, done = Crew(2), list[int]()

    def fail() -> None:
        raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        crew.run([fail] + [partial(done.append, number) for number in range(100_000)])
    assert crew.stopped()
    assert len(done) < 100_000


def test_nothing_to_do() -> None:
    Crew(2).run([])
