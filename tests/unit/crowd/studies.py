"""Small studies and people who rate them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from components.contracts.crowd_rows import StudyPair
from components.crowd.app import create_app
from components.crowd.assignment.choice import Item, next_item
from components.crowd.assignment.votes import Choice, check_rules, record_vote
from components.crowd.database import Store
from components.crowd.invitations import invite, rater_key
from components.crowd.settings import Settings
from components.crowd.study.creation import create_study
from components.crowd.study.design import StudyDesign
from components.crowd.study.rules import ExclusionRules
from components.crowd.tables import Pair, Rater, Study, Vote

SETTINGS = Settings(secret=b"a secret of the tests alone", password="open sesame")
NO_RULES = ExclusionRules(min_gold_share=None, min_median_seconds=None, max_same_choice=None)
PLAIN = StudyDesign(name="plain", gold_share=0.0, repeat_share=0.0, rules=NO_RULES)
"""Headline pairs only, and nobody is excluded."""


def headline(number: int, **changes: object) -> StudyPair:
    values: dict[str, object] = {
        "pair_id": f"pair-{number}",
        "prompt_id": f"prompt-{number}",
        "prompt": f"Question {number}?",
        "model": "imitator-13b",
        "opponent": "target-175b",
        "output": f"Short answer {number}.",
        "opponent_output": f"Long answer {number}.",
        "kind": "headline",
        **changes,
    }
    return StudyPair.model_validate(values)


def gold(number: int) -> StudyPair:
    return headline(1000 + number, pair_id=f"gold-{number}", kind="gold", expected="win")


@dataclass
class Clock:
    """A clock that goes where it is told."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def make(store: Store, design: StudyDesign = PLAIN, pairs: list[StudyPair] | None = None) -> Study:
    chosen = pairs or [headline(number) for number in range(4)]
    return store.run(lambda session: create_study(session, design, chosen))


def links(store: Store, study: Study, *people: str, lane: str = "crowd", days: float = 36500) -> list[str]:
    """Tokens; they live long, for the tests' clock is in another year."""
    return store.run(lambda session: invite(session, SETTINGS.secret, study, list(people), days=days, lane=lane))


def rater(store: Store, study: Study, person: str, lane: str = "crowd") -> Rater:
    links(store, study, person, lane=lane)
    key = rater_key(SETTINGS.secret, study.name, person)
    return store.run(lambda session: session.scalars(select(Rater).where(Rater.key == key)).one())


def ask(store: Store, study: Study, who: Rater, now: float = 0.0) -> Item | None:
    return store.run(lambda session: next_item(session, _study(session, study), _rater(session, who), now))


def answer(store: Store, study: Study, who: Rater, item: Item, choice: Choice, now: float = 10.0) -> str:
    def work(session: Session) -> str:
        kept = record_vote(session, _rater(session, who), item.assignment_id, choice, now)
        if kept == "check":
            check_rules(session, _study(session, study), _rater(session, who))
        return kept

    return store.run(work)


def rate_all(store: Store, study: Study, who: Rater, outcome: str = "win") -> int:
    """Answer everything for the model under test (win), the other (loss), or neither; how many there were."""
    for number in count():
        item = ask(store, study, who, now=100.0 * number)
        if item is None:
            return number
        answer(store, study, who, item, button_for(item, outcome), now=100.0 * number + 20)
    raise AssertionError


def button_for(item: Item, outcome: str) -> Choice:
    if outcome == "tie":
        return "equal"
    return "left" if (outcome == "win") == item.model_left else "right"


def pair_of(store: Store, item: Item) -> Pair:
    return store.run(lambda session: session.get_one(Pair, item.pair_id))


def pairs_of(store: Store) -> dict[str, Pair]:
    return store.run(lambda session: {pair.key: pair for pair in session.scalars(select(Pair))})


def votes_of(store: Store) -> list[Vote]:
    return store.run(lambda session: list(session.scalars(select(Vote).order_by(Vote.id))))


def counted(store: Store) -> dict[int, int]:
    """Counted votes by pair, from the votes themselves."""
    asked = select(Vote.pair_id, func.count()).where(Vote.uncounted.is_(None)).group_by(Vote.pair_id)
    return store.run(lambda session: dict(session.execute(asked).all()))


@dataclass
class Person:
    """Somebody with a link and a browser."""

    client: TestClient
    token: str
    pages: list[str] = field(default_factory=list)

    @property
    def link(self) -> str:
        return f"/r/{self.token}"

    def look(self) -> str:
        page = self.client.get(self.link)
        assert page.status_code == 200, page.text
        self.pages.append(page.text)
        return page.text

    def begin(self) -> str:
        self.client.post(self.link + "/start")
        return self.look()

    def vote(self, choice: str, form: str | None = None) -> int:
        return self.client.post(
            self.link + "/vote",
            data={"form": form or form_in(self.pages[-1]), "choice": choice},
            follow_redirects=False,
        ).status_code

    def items(self) -> Iterator[str]:
        """Item after item, until there is none; whoever iterates answers."""
        page = self.begin()
        while "Which answer is better" in page:
            yield page
            page = self.look()


def form_in(page: str) -> str:
    found = re.search(r'name="form" value="([^"]+)"', page)
    assert found, page
    return found.group(1)


def client_for(store: Store, clock: Clock | None = None, settings: Settings = SETTINGS) -> TestClient:
    return TestClient(create_app(store.engine, settings, clock or Clock()), raise_server_exceptions=False)


def _study(session: Session, study: Study) -> Study:
    return session.get_one(Study, study.id)


def _rater(session: Session, who: Rater) -> Rater:
    return session.scalars(select(Rater).where(Rater.id == who.id).with_for_update()).one()
