"""Who sees what: quotas that hold under load, an order that adapts, checks, places that lapse, the expert lane."""

import threading
from collections import Counter

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import IntegrityError

from components.contracts.crowd_rows import NOBODY
from components.crowd.assignment.votes import SURPLUS, record_problem
from components.crowd.database import Store
from components.crowd.study.closing import forget
from components.crowd.study.results import divided_pairs, judgments, progress
from components.crowd.study.rules import ExclusionRules
from components.crowd.tables import Pair
from tests.unit.crowd.studies import (
    PLAIN,
    answer,
    ask,
    button_for,
    counted,
    gold,
    headline,
    make,
    pair_of,
    pairs_of,
    rate_all,
    rater,
    votes_of,
)


def test_every_pair_gets_its_three_votes_and_never_a_fourth(store: Store) -> None:
    study = make(store)
    done = [rate_all(store, study, rater(store, study, f"person {n}")) for n in range(5)]
    assert done == [4, 4, 4, 0, 0]
    assert set(counted(store).values()) == {3}


def test_raters_who_press_at_the_same_moment_share_the_places(store: Store) -> None:
    """Eight at once, for two pairs of three places: six votes, whatever the interleaving."""
    study = make(store, pairs=[headline(0), headline(1)])
    people = [rater(store, study, f"person {n}") for n in range(8)]
    failures: list[BaseException] = []
    gate = threading.Barrier(len(people))

    def work(number: int) -> None:
        try:
            gate.wait()
            rate_all(store, study, people[number], ("win", "tie", "loss")[number % 3])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(people))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert counted(store) == {pair.id: 3 for pair in pairs_of(store).values()}
    assert all(pair.wins + pair.ties + pair.losses == pair.reserved == 3 for pair in pairs_of(store).values())


def test_the_database_itself_refuses_a_fourth_place(store: Store) -> None:
    study = make(store)
    rate_all(store, study, rater(store, study, "one"))
    with pytest.raises(IntegrityError):
        store.run(lambda session: session.execute(update(Pair).values(reserved=4)))


def test_two_tabs_of_one_rater_show_the_same_item(store: Store) -> None:
    study = make(store)
    who = rater(store, study, "one")
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(ask(store, study, who))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    assert sum(pair.reserved for pair in pairs_of(store).values()) == 1


def test_the_least_rated_come_first_and_the_divided_before_them(store: Store) -> None:
    study = make(store, pairs=[headline(n) for n in range(3)])
    one, two, three = (rater(store, study, name) for name in ("one", "two", "three"))
    first = ask(store, study, one)
    assert first is not None
    answer(store, study, one, first, button_for(first, "win"))
    other = ask(store, study, two)
    assert other is not None
    assert other.pair_id != first.pair_id, "an unrated pair before a rated one"
    answer(store, study, two, other, button_for(other, "win"))
    # Two votes that disagree: the pair is divided.
    store.run(
        lambda session: session.execute(update(Pair).where(Pair.id == first.pair_id).values(losses=1, reserved=2))
    )
    divided = ask(store, study, three)
    assert divided is not None
    assert divided.pair_id == first.pair_id


def test_raters_meet_the_pairs_in_orders_of_their_own(sqlite: Store) -> None:
    study = make(sqlite, pairs=[headline(n) for n in range(40)])
    firsts = Counter()
    for number in range(20):
        item = ask(sqlite, study, rater(sqlite, study, f"person {number}"))
        assert item is not None
        firsts[item.pair_id] += 1
    assert max(firsts.values()) == 1, "while there are unrated pairs, nobody gets a pair that is under way"


def test_gold_and_repeats_stand_at_their_places_with_sides_turned(store: Store) -> None:
    design = PLAIN.model_copy(update={"gold_share": 0.2, "repeat_share": 0.2, "items_per_rater": 10})
    study = make(store, design, [headline(n) for n in range(20)] + [gold(n) for n in range(5)])
    who = rater(store, study, "one")
    kinds, sides = [], {}
    while item := ask(store, study, who):
        pair = pair_of(store, item)
        kinds.append(pair.kind)
        if pair.kind == "repeat":
            assert pair.repeat_of is not None
            assert item.model_left is not sides[pair.repeat_of]
        sides[item.pair_id] = item.model_left
        answer(store, study, who, item, "left")
    assert Counter(kinds) == {"headline": 6, "gold": 2, "repeat": 2}
    assert kinds[0] == "headline"
    assert "repeat" not in kinds[:5]


def test_a_place_that_lapses_goes_to_others_and_a_late_answer_counts_where_one_is_left(store: Store) -> None:
    design = PLAIN.model_copy(update={"raters_per_pair": 1, "reserve_minutes": 10})
    study = make(store, design, [headline(0), headline(1)])
    slow, quick = rater(store, study, "slow"), rater(store, study, "quick")
    kept = ask(store, study, slow, now=0.0)
    assert kept is not None
    assert rate_all(store, study, quick) == 1, "the other pair"
    again = ask(store, study, quick, now=601.0)
    assert again is not None
    assert again.pair_id == kept.pair_id
    answer(store, study, quick, again, "left", now=620.0)
    assert answer(store, study, slow, kept, "left", now=630.0) in {"stored", "check"}
    rows = store.run(lambda session: judgments(session, study))
    assert [row.unscored for row in rows] == [None, None, SURPLUS]
    assert set(counted(store).values()) == {1}


def test_a_late_answer_counts_when_its_place_is_free(store: Store) -> None:
    design = PLAIN.model_copy(update={"raters_per_pair": 1, "reserve_minutes": 10})
    study = make(store, design, [headline(0)])
    slow, other = rater(store, study, "slow"), rater(store, study, "other")
    kept = ask(store, study, slow, now=0.0)
    assert kept is not None
    taken = ask(store, study, other, now=601.0)
    assert taken is not None
    store.run(lambda session: record_problem(session, study, other, taken.assignment_id, "blank page", 602.0))
    answer(store, study, slow, kept, "left", now=700.0)
    assert [vote.uncounted is None for vote in votes_of(store)] == [False, True]


def test_a_clock_set_back_measures_nothing_and_loses_nothing(store: Store) -> None:
    study = make(store)
    who = rater(store, study, "one")
    item = ask(store, study, who, now=5000.0)
    assert item is not None
    answer(store, study, who, item, "left", now=1000.0)
    (vote,) = votes_of(store)
    assert (vote.seconds, vote.uncounted) == (None, None)
    ahead = ask(store, study, who, now=1e9)
    assert ahead is not None, "a clock that jumps ahead ends no study"
    assert answer(store, study, who, ahead, "left", now=1100.0) in {"stored", "check"}
    assert [vote.id for vote in votes_of(store)] == sorted(vote.id for vote in votes_of(store))


def test_experts_see_divided_pairs_only_and_their_votes_are_another_source(store: Store) -> None:
    study = make(store, pairs=[headline(0), headline(1)])
    expert = rater(store, study, "professor", lane="expert")
    assert ask(store, study, expert) is None, "nothing is divided yet"
    for name, outcome in (("one", "win"), ("two", "tie"), ("three", "loss")):
        who = rater(store, study, name)
        while item := ask(store, study, who):
            on_first = pair_of(store, item).key == "pair-0"
            answer(store, study, who, item, button_for(item, outcome if on_first else "win"))
    assert store.run(lambda session: divided_pairs(session, study)) == 1
    assert rate_all(store, study, expert) == 1
    assert rate_all(store, study, rater(store, study, "second professor", lane="expert")) == 0
    rows = store.run(lambda session: judgments(session, study))
    assert Counter(row.source for row in rows) == {"plain": 6, "plain/experts": 1}
    assert pairs_of(store)["pair-0"].reserved == 3


def test_an_excluded_raters_places_go_to_others_and_the_votes_stay_as_unscored(store: Store) -> None:
    rules = ExclusionRules(min_gold_share=0.5, gold_from=2, min_median_seconds=None, max_same_choice=None)
    design = PLAIN.model_copy(update={"gold_share": 0.3, "items_per_rater": 10, "rules": rules, "raters_per_pair": 1})
    study = make(store, design, [headline(n) for n in range(30)] + [gold(n) for n in range(9)])
    careless = rater(store, study, "careless")
    number = 0
    while item := ask(store, study, careless):
        answer(store, study, careless, item, button_for(item, "loss"))
        number += 1
        if sum(pair.reserved for pair in pairs_of(store).values()) == 0:
            break
    assert number < 10, "excluded as soon as the rule is broken"
    rows = store.run(lambda session: judgments(session, study))
    assert rows
    assert {row.unscored for row in rows} == {"rater excluded: 0 of 2 gold items right, the rule asks for 50%"}
    assert all(pair.reserved == pair.losses == 0 for pair in pairs_of(store).values())


def test_a_problem_frees_the_place_and_is_kept_with_its_words(store: Store) -> None:
    design = PLAIN.model_copy(update={"raters_per_pair": 1})
    study = make(store, design, [headline(0)])
    one, two = rater(store, study, "one"), rater(store, study, "two")
    item = ask(store, study, one)
    assert item is not None
    assert ask(store, study, two) is None
    store.run(lambda session: record_problem(session, study, one, item.assignment_id, " page is blank ", 3.0))
    assert ask(store, study, one) is None, "not shown again to who reported it"
    assert ask(store, study, two) is not None
    (vote,) = votes_of(store)
    assert (vote.problem, vote.outcome) == ("page is blank", None)


@pytest.mark.slow
def test_a_forgotten_rater_leaves_no_trace_and_the_places_go_to_others(store: Store) -> None:
    study = make(store, PLAIN.model_copy(update={"raters_per_pair": 1}))
    one, two = rater(store, study, "one"), rater(store, study, "two")
    item = ask(store, study, one)
    assert item is not None
    store.run(lambda session: record_problem(session, study, one, item.assignment_id, "my name is Ann", 1.0))
    assert rate_all(store, study, one) == 3
    assert rate_all(store, study, two) == 1
    assert store.run(lambda session: forget(session, study, one.key)) == 4
    assert len(votes_of(store)) == 1
    assert rate_all(store, study, two) == 3
    with store.engine.connect() as connection:
        for table in ("rater", "assignment", "vote", "audit_entry"):
            rows = connection.execute(text(f"select * from {table}")).all()
            assert one.key not in str(rows)
            assert one.code not in str(rows)


def test_one_text_twice_is_a_tie_that_nobody_is_asked_about(store: Store) -> None:
    twice = headline(7, output="The very same.", opponent_output="The very same.")
    study = make(store, PLAIN.model_copy(update={"repeat_share": 0.2, "raters_per_pair": 1}), [headline(0), twice])
    assert "pair-7#again" not in pairs_of(store)
    who = rater(store, study, "one")
    rate_all(store, study, who)
    assert [vote.pair_id for vote in votes_of(store)] == [pairs_of(store)["pair-0"].id]
    assert ask(store, study, rater(store, study, "expert", lane="expert")) is None, "it is not divided either"
    rows = store.run(lambda session: judgments(session, study))
    told = {row.prompt_id: (row.rater == NOBODY, row.order == "none") for row in rows}
    assert told == {"prompt-7": (True, True), "prompt-0": (False, False)}
    assert next(row.outcome for row in rows if row.rater == NOBODY) == "tie"
    assert store.run(lambda session: judgments(session, study, ["gold"])) == []
    (line,) = store.run(lambda session: [one for one in progress(session, study) if one.kind == "headline"])
    assert (line.pairs, line.complete, line.counted) == (2, 2, 1)
