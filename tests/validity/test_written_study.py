"""The study that is kept in docs/, and what its table says of a promise that is missed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipelines.validity.kept import Kept
from pipelines.validity.naive import Votes
from pipelines.validity.rates import ErrorRates, NeededRates, needed_rates, rates_of
from pipelines.validity.study import FEWEST, LEAST_SETTLED, Proof
from pipelines.validity.tables import markdown
from pipelines.validity.worlds import SMALL, WORLDS

KEPT = Path(__file__).parents[2] / "docs" / "validity.json"
EVEN = Votes(0.05, 0.95)


def _proof(rate: ErrorRates, needed: NeededRates) -> Proof:
    return Proof(6, 0, (rate,), (needed,), EVEN, EVEN)


def test_the_kept_study_is_of_these_worlds_and_keeps_every_promise() -> None:
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    assert kept["worlds"] >= 500
    assert [rate["world"] for rate in kept["rates"]] == [world.name for world in WORLDS]
    assert [rate["world"] for rate in kept["needed"]] == [world.name for world in SMALL]
    for world, rate in zip(WORLDS, kept["rates"], strict=True):
        assert set(map(str, world.promises)) <= set(rate["promises"])
        assert all(rate["promises"].values()), world.name
    for small, needed in zip(SMALL, kept["needed"], strict=True):
        if min(task.n for task in small.tasks) >= FEWEST:
            for settled in (needed["settled"], needed["labels_settled"]):
                assert settled is None or settled >= LEAST_SETTLED, small.name
    named, drawn = (sum(needed[which] for needed in kept["needed"]) for which in ("named", "drawn"))
    assert drawn >= 0.85 * named, "what is said of the numbers that were drawn is said of most"


def test_a_missed_promise_is_marked_and_counted() -> None:
    world = next(world for world in WORLDS if world.name == "8% unscored")
    small = next(world for world in SMALL if world.name == "100 items each, nothing gained")
    rate = rates_of(world, 6, np.random.default_rng(0))
    needed = needed_rates(small, 6, np.random.default_rng(0))
    good = replace(rate, promises=dict.fromkeys(rate.promises, True))
    assert _proof(good, replace(needed, settled=0.9, labels_settled=0.9)).broken == []
    bad = replace(rate, promises={**dict.fromkeys(rate.promises, True), "CAPABILITY at most 5%": False})
    proof = _proof(bad, replace(needed, settled=0.7, labels_settled=0.6))
    assert proof.broken == [
        "8% unscored: CAPABILITY at most 5%",
        "100 items each, nothing gained: items asked for settle at least 80%",
        "100 items each, nothing gained: items that single benchmarks ask for settle at least 80%",
    ]
    page = markdown(proof)
    assert "CAPABILITY at most 5% **missed**" in page
    assert "INCONCLUSIVE at least 99% **missed**" not in page


def test_a_study_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    path, made = tmp_path / "partial.jsonl", []

    def votes_of(share: float) -> Votes:
        made.append(share)
        return Votes(share, 1 - share)

    first = Kept(path)
    assert first.result(Votes, "a", lambda: votes_of(0.1)) == Votes(0.1, 0.9)
    path.write_text(path.read_text() + '{"of": "b", "resu')  # killed while writing
    again = Kept(path)
    assert again.result(Votes, "a", lambda: votes_of(0.2)) == Votes(0.1, 0.9)
    assert again.result(Votes, "b", lambda: votes_of(0.3)) == Votes(0.3, 0.7)
    assert made == [0.1, 0.3]
    again.finish()
    assert not path.exists()
