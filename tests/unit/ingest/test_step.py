"""The ingest step: cleaning, deduplication, nested subsets, and nothing lost on the way."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest
from pydantic import ValidationError

from components.contracts import bind
from components.contracts.dialogue_rows import Dialogue, Removal
from components.contracts.errors import TouchstoneError
from components.contracts.ports import Input, write_rows
from components.contracts.rows import Completion
from components.ingest.params import Params
from components.ingest.queries import normalise_query
from components.ingest.step import build_dialogues, ingest


def _reply(number: int | str, prompt: str, text: str = "a reply", finish: str = "stop") -> Completion:
    return Completion.model_validate(
        {"prompt_id": f"p{number}", "model": "target-1", "prompt": prompt, "text": text, "finish": finish}
    )


MANY = [_reply(n, f"question number {n % 150}?", f"reply {n}") for n in range(200)]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (_reply(1, "why?", " \n"), "no_reply"),
        (_reply(1, "  "), "empty"),
        (_reply(1, "why?", "because it", "length"), "cut"),
    ],
)
def test_an_unusable_reply_is_set_aside_with_reason_and_content(reply: Completion, reason: str) -> None:
    kept, gone = build_dialogues([reply, _reply(2, "good")], Params())
    assert [d.id for d in kept] == ["p2"]
    assert [(r.id, r.reason) for r in gone] == [("p1", reason)]
    assert reply.text in gone[0].raw


def test_cut_replies_stay_when_asked_for() -> None:
    kept, _ = build_dialogues([_reply(1, "why?", "because it", "length")], Params(keep_cut=True))
    assert len(kept) == 1


def test_a_cut_reply_never_displaces_a_whole_reply_to_the_same_query() -> None:
    kept, gone = build_dialogues([_reply(1, "why?", "cut", "length"), _reply(2, "Why?", "whole")], Params())
    assert [d.turns[1].text for d in kept] == ["whole"]
    assert [r.reason for r in gone] == ["cut"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Who  wrote\nit?", "who wrote it", True),
        ("ﬁne", "FINE", True),
        ("x+y", "x-y", False),
        ("C", "C++", False),
        ("résumé", "resume", False),
    ],
)
def test_queries_are_compared_in_normal_form(one: str, other: str, same: bool) -> None:
    assert (normalise_query(one) == normalise_query(other)) is same
    kept, gone = build_dialogues([_reply(1, one), _reply(2, other)], Params())
    assert (len(kept), len(gone)) == ((1, 1) if same else (2, 0))


def test_the_result_does_not_depend_on_the_order_of_replies() -> None:
    shuffled = MANY.copy()
    random.Random(3).shuffle(shuffled)
    assert build_dialogues(shuffled, Params(share=0.4)) == build_dialogues(MANY, Params(share=0.4))


@pytest.mark.parametrize(
    "params", [Params(), Params(share=0.3), Params(num_dialogues=17), Params(num_dialogues=10_000)]
)
def test_everything_that_comes_in_is_kept_or_removed(params: Params) -> None:
    bad = [_reply("x", ""), _reply("y", "cut one", finish="length")]
    kept, gone = build_dialogues([*MANY, *bad], params)
    assert len(kept) + len(gone) == len(MANY) + len(bad)
    assert len(kept) == min(150, params.num_dialogues or round(150 * params.share))
    assert {d.id for d in kept}.isdisjoint(r.id for r in gone)


def test_a_smaller_subset_lies_within_every_larger_one() -> None:
    subsets = [{d.id for d in build_dialogues(MANY, Params(num_dialogues=n))[0]} for n in (5, 20, 80, 150)]
    for small, large in itertools.pairwise(subsets):
        assert small < large


@pytest.mark.slow
def test_subsets_follow_the_queries_whatever_the_target_replied() -> None:
    other = [row.model_copy(update={"text": row.text + " from another target", "model": "t2"}) for row in MANY]
    queries = [[d.turns[0].text for d in build_dialogues(rows, Params(num_dialogues=40))[0]] for rows in (MANY, other)]
    assert queries[0] == queries[1]
    reseeded = build_dialogues(MANY, Params(num_dialogues=40, seed=1))[0]
    assert [d.turns[0].text for d in reseeded] != queries[0]


def test_several_samples_of_one_prompt_have_ids_of_their_own() -> None:
    kept, gone = build_dialogues([_reply(1, "why?", "first"), _reply(1, "why?", "second")], Params())
    assert len({kept[0].id, gone[0].id}) == 2
    assert gone[0].reason == "duplicate"
    assert kept[0].id in gone[0].detail


def test_the_step_writes_passports_and_counts(tmp_path: Path) -> None:
    write_rows(tmp_path / "replies", Completion, MANY)
    paths = {"replies": tmp_path / "replies", "dialogues": tmp_path / "dialogues", "removed": tmp_path / "removed"}
    outcome = bind.call(ingest, params={"source": "broad", "num_dialogues": 100}, **paths)
    rows = Input(tmp_path / "dialogues", Dialogue).rows()
    assert {(row.source, row.target) for row in rows} == {("broad", "target-1")}
    assert len(Input(tmp_path / "removed", Removal).rows()) == 100
    expected = {"in": 200.0, "kept": 100.0, "removed": 100.0, "removed_duplicate": 50.0, "removed_subset": 50.0}
    assert outcome.metrics == expected


@pytest.mark.parametrize(
    ("replies", "found"),
    [
        ([], "no dialogue is left of 0 replies: the input is empty"),
        ([_reply(1, "a", ""), _reply(2, "b", "x", "length")], "no dialogue is left of 2 replies: 1 cut, 1 no_reply"),
    ],
)
def test_nothing_left_is_an_error_that_counts_the_reasons(
    tmp_path: Path, replies: list[Completion], found: str
) -> None:
    write_rows(tmp_path / "replies", Completion, replies)
    with pytest.raises(TouchstoneError, match=found):
        bind.call(ingest, replies=tmp_path / "replies", dialogues=tmp_path / "d", removed=tmp_path / "r")


def test_two_sizes_at_once_are_refused() -> None:
    with pytest.raises(ValidationError, match="not both"):
        Params(num_dialogues=5, share=0.5)
