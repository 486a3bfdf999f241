"""A study of the paper's size from the first item to the judgments, with people who do not care among the raters."""

import random
from collections import Counter

import pytest
from sqlalchemy import select

from components.contracts.evidence_rows import Judgment
from components.crowd.database import Store
from components.crowd.study.closing import set_closed
from components.crowd.study.design import StudyDesign
from components.crowd.study.results import judgments, progress, rater_lines
from components.crowd.tables import Assignment, Rater, Study
from tests.unit.crowd.studies import answer, ask, button_for, gold, headline, make, pair_of, rater

PROMPTS, PLACEBOS, CAREFUL, CARELESS = 255, 20, 26, 3


@pytest.mark.slow
def test_every_pair_ends_with_three_votes_of_people_who_cared(sqlite: Store) -> None:
    pairs = [headline(n) for n in range(PROMPTS)]
    pairs += [headline(n, pair_id=f"placebo-{n}", kind="placebo", model="placebo:constant") for n in range(PLACEBOS)]
    study = make(sqlite, StudyDesign(name="whole", items_per_rater=40), pairs + [gold(n) for n in range(12)])
    people = [rater(sqlite, study, f"person {n}") for n in range(CAREFUL + CARELESS)]
    careless = {who.key for who in people[::9][:CARELESS]}
    rate(sqlite, study, people, careless)
    sqlite.run(lambda session: set_closed(session, session.get_one(Study, study.id), True))

    lines = sqlite.run(lambda session: rater_lines(session, study))
    assert {line.key for line in lines if line.excluded} == careless
    rows = sqlite.run(lambda session: judgments(session, study))
    assert_three_each(rows, careless)
    done = {line.kind: line for line in sqlite.run(lambda session: progress(session, study))}
    assert (done["headline"].complete, done["placebo"].complete) == (PROMPTS, PLACEBOS)
    first = [row.order for row in rows].count("model_first")
    # Binomial: four standard deviations.
    assert abs(first - len(rows) / 2) < 2 * len(rows) ** 0.5
    assert_checks_are_mixed_in(sqlite, careless)


def rate(store: Store, study: Study, people: list[Rater], careless: set[str]) -> None:
    """In turns, an item each: the careless always left and in a second, the others mostly for the model."""
    draw, now, working = random.Random(5), 0.0, list(people)
    while working:
        for who in list(working):
            item = ask(store, study, who, now)
            if item is None:
                working.remove(who)
                continue
            cares = who.key not in careless
            outcome = draw.choices(["win", "tie", "loss"], [0.8, 0.1, 0.1])[0]
            now += 30 if cares else 1
            answer(store, study, who, item, button_for(item, outcome) if cares else "left", now)
            if not cares:
                exclude_as_the_page_does(store, who, working)


def exclude_as_the_page_does(store: Store, who: Rater, working: list[Rater]) -> None:
    """An excluded rater is shown no more items."""
    if store.run(lambda session: session.get_one(Rater, who.id).excluded):
        working.remove(who)


def assert_three_each(rows: list[Judgment], careless: set[str]) -> None:
    counted = [row for row in rows if row.unscored is None]
    assert not {row.rater for row in counted} & careless
    votes = Counter((row.prompt_id, row.model) for row in counted)
    assert set(votes.values()) == {3}
    assert len(votes) == PROMPTS + PLACEBOS
    assert len({(row.prompt_id, row.model, row.rater) for row in counted}) == len(counted)
    assert {row.rater for row in rows if row.unscored} == careless


def assert_checks_are_mixed_in(store: Store, careless: set[str]) -> None:
    asked = select(Assignment).join(Rater).where(Rater.key.not_in(careless)).order_by(Assignment.id)
    kinds: dict[int, list[str]] = {}
    for found in store.run(lambda session: list(session.scalars(asked))):
        kinds.setdefault(found.rater_id, []).append(pair_of(store, found).kind)  # type: ignore[arg-type]
    assert len(kinds) == CAREFUL
    for seen in kinds.values():
        assert seen[0] not in {"gold", "repeat"}
        assert 2 <= seen.count("gold") <= 4
        assert seen.count("repeat") <= 2
    assert sum(seen.count("repeat") for seen in kinds.values()) > CAREFUL / 2
    assert sum(seen.count("placebo") for seen in kinds.values()) == 3 * PLACEBOS
