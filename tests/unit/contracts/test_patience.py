import random

import pytest

from components.contracts.s3.patience import CalledOff, Patience, Unavailable, Waiting
from tests.unit.contracts.conftest import HandClock


class Service:
    """Fails until a moment."""

    def __init__(self, clock: HandClock, works_at: float) -> None:
        self.clock, self.works_at, self.asked_at = clock, works_at, list[float]()

    def __call__(self) -> str:
        self.asked_at.append(self.clock.now)
        if self.clock.now < self.works_at:
            raise Unavailable("no connection")
        return "done"


def test_pauses_double_up_to_the_longest_and_jitter_down_to_half() -> None:
    patience, draw = Patience(first_seconds=0.2, longest_seconds=10), random.Random(0)
    for failures, step in ((1, 0.2), (2, 0.4), (5, 3.2), (6, 6.4), (7, 10), (1000, 10)):
        pauses = [patience.pause(failures, draw) for _ in range(200)]
        assert step / 2 <= min(pauses) < 0.55 * step
        assert 0.95 * step < max(pauses) <= step


def test_success_after_failures(clock: HandClock, capsys: pytest.CaptureFixture[str]) -> None:
    service, retries = Service(clock, works_at=90), list[int]()
    waiting = Waiting("the store", patience=Patience(), clock=clock, on_retry=lambda: retries.append(1))
    assert waiting.call(service) == "done"
    assert 90 <= clock.now <= 100
    assert len(retries) == len(service.asked_at) - 1
    told = capsys.readouterr().err.splitlines()
    assert [line.split(";")[0] for line in told] == [
        "the store: no connection",
        "the store: no connection",
        "the store answers again",
    ]


def test_a_hiccup_is_not_told(clock: HandClock, capsys: pytest.CaptureFixture[str]) -> None:
    assert Waiting("the store", patience=Patience(), clock=clock).call(Service(clock, works_at=0.5)) == "done"
    assert capsys.readouterr().err == ""


def test_the_deadline_is_met_to_the_second(clock: HandClock) -> None:
    service = Service(clock, works_at=1e9)
    with pytest.raises(Unavailable):
        Waiting("the store", patience=Patience(deadline_seconds=60), clock=clock).call(service)
    # The last try is made at the deadline itself, not a pause before or after it.
    assert service.asked_at[-1] == pytest.approx(60)


def test_other_failures_pass_through(clock: HandClock) -> None:
    def broken() -> None:
        raise ValueError("ours")

    with pytest.raises(ValueError, match="ours"):
        Waiting("the store", patience=Patience(), clock=clock).call(broken)
    assert clock.now == 0


def test_a_wait_ends_when_the_work_is_called_off(clock: HandClock) -> None:
    service = Service(clock, works_at=1e9)
    with pytest.raises(CalledOff):
        Waiting("the store", patience=Patience(), clock=clock).call(service, stopped=lambda: clock.now > 20)
    assert clock.now < 22
