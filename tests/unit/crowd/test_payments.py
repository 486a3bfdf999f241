"""What raters are owed: measured time, not idle tabs, and never less than was promised."""

import random

import pytest

from components.crowd.payments import PayRules, TimedVote, pay_ledger


def votes(rater: str, *seconds: float | None) -> list[TimedVote]:
    return [TimedVote(rater, f"p{number}", value) for number, value in enumerate(seconds)]


RULES = PayRules(usd_per_hour=15.0, cap_factor=3.0, cap_seconds=600.0, reading_seconds=0.0)
CROWD = [vote for rater in "abcd" for vote in votes(rater, 60.0, 60.0, 60.0, 60.0)]


def test_an_hour_is_worth_the_rate() -> None:
    of_an_hour = [TimedVote(rater, f"p{n}", 60.0) for rater in "abc" for n in range(60)]
    assert [line.due_usd for line in pay_ledger(of_an_hour, {}, RULES)] == [15.0, 15.0, 15.0]


def test_an_idle_tab_is_paid_to_the_cap_of_its_item() -> None:
    idle = pay_ledger([*CROWD, *votes("e", 60.0, 4 * 3600.0, 60.0)], {}, RULES)[-1]
    # Three items: 60 + 3 x 60 + 60 seconds.
    assert (idle.num_items, idle.num_capped, idle.paid_seconds) == (3, 1, 300.0)
    assert idle.measured_seconds == 4 * 3600 + 120
    assert idle.due_usd == 1.25


def test_if_nobody_else_rated_the_item_the_longest_paid_time_still_holds() -> None:
    (alone,) = pay_ledger(votes("a", 4 * 3600.0), {}, RULES)
    assert alone.paid_seconds == 600.0


def test_time_that_was_not_measured_is_paid_at_the_median() -> None:
    lines = pay_ledger([*CROWD, *votes("e", None, 60.0)], {}, RULES)
    assert lines[-1].paid_seconds == 120.0


def test_quick_raters_keep_the_reward_and_slow_ones_get_the_rest() -> None:
    ledger = pay_ledger([*CROWD, *votes("fast", 1.0, 1.0)], {"fast": 50, "a": 50}, RULES)
    lines = {line.rater: line for line in ledger}
    assert (lines["fast"].due_usd, lines["fast"].bonus_usd) == (0.5, 0.0)
    # Four minutes at 15 an hour are 1.00.
    assert (lines["a"].due_usd, lines["a"].reward_usd, lines["a"].bonus_usd) == (1.0, 0.5, 0.5)


def test_somebody_who_was_rewarded_and_rated_nothing_is_in_the_ledger() -> None:
    (line,) = pay_ledger([], {"ghost": 250}, RULES)
    assert (line.num_items, line.due_usd, line.bonus_usd) == (0, 2.5, 0.0)


def test_a_bonus_above_the_limit_is_cut_and_said() -> None:
    rules = RULES.model_copy(update={"max_bonus_usd": 0.25})
    line = next(line for line in pay_ledger(CROWD, {"a": 50}, rules) if line.rater == "a")
    assert line.bonus_usd == 0.25
    assert line.note == "bonus cut from 0.50 to 0.25 USD"


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_times_nobody_is_paid_less_than_promised_or_more_than_the_caps(seed: int) -> None:
    draw = random.Random(seed)
    given = [
        TimedVote(f"r{draw.randrange(6)}", f"p{draw.randrange(9)}", draw.choice([None, 0.0, draw.lognormvariate(3, 2)]))
        for _ in range(draw.randrange(1, 60))
    ]
    rewards = {f"r{n}": draw.randrange(300) for n in range(4)}
    rules = PayRules()
    for line in pay_ledger(given, rewards, rules):
        assert line.due_usd >= line.reward_usd == rewards.get(line.rater, 0) / 100
        assert line.due_usd >= round(line.paid_seconds / 3600 * rules.usd_per_hour, 2)
        assert line.paid_seconds <= min(line.measured_seconds + 1e-9, line.num_items * rules.cap_seconds)
        assert line.bonus_usd <= rules.max_bonus_usd
    # The order of the votes is nothing.
    draw.shuffle(given)
    again = pay_ledger(given, rewards, rules)
    assert [line.due_usd for line in again] == [line.due_usd for line in pay_ledger(given, rewards, rules)]
