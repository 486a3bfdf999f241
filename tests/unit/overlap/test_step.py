"""The step: rows, thresholds, what is set aside, and going on from an earlier run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.contracts import bind
from components.contracts.data_rows import Overlap, QueryNeighbour
from components.contracts.dialogue_rows import Dialogue, Removal
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Input, write_rows
from components.contracts.rows import Prompt, TaskItem, Turn
from components.overlap.step import measure_overlap

OUTPUTS = ("overlap", "neighbours", "clean_heldout", "leaked", "state")
LONG = "the quick brown fox jumps over the lazy dog and then it runs far away"
DIALOGUES = [
    ("d0", ["Name the tallest mountain of the world.", "Mount Everest is the tallest mountain of the world."]),
    ("d1", ["Name the longest river of the world.", "The Nile.", "And the second longest?", "The Amazon."]),
    ("d2", ["Repeat after me", f"Of course: {LONG}, I am told."]),
]
ITEMS = [
    ("q0", "facts", "which mountain is the tallest mountain of all the world", "test"),
    ("q1", "facts", "who painted guernica", "test"),
    ("q2", "facts", "name the longest river of the world", "shots"),
    ("q3", "copies", LONG, "test"),
]
PROMPTS = [
    ("p0", "Name the longest river of the world."),
    ("p1", "Write haiku"),
    ("p2", "Mount Everest is the tallest mountain of Asia"),
]


def dialogue(name: str, turns: list[str]) -> Dialogue:
    speakers = ("user", "assistant")
    said = tuple(Turn(speaker=speakers[n % 2], text=text) for n, text in enumerate(turns))
    return Dialogue(id=name, source="s", target="t", turns=said)


def item(name: str, benchmark: str, question: str, split: Any) -> TaskItem:
    kind: Any = "exact_match"
    return TaskItem(
        id=name, benchmark=benchmark, kind=kind, question=question, answers=("x",), cluster=name, split=split
    )


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    write_rows(tmp_path / "dialogues", Dialogue, [dialogue(*row) for row in DIALOGUES])
    write_rows(tmp_path / "items", TaskItem, [item(*row) for row in ITEMS])
    write_rows(tmp_path / "heldout", Prompt, [Prompt(id=name, text=text) for name, text in PROMPTS])
    return tmp_path


def run(folder: Path, out: str = "out", previous: str = "", dialogues: str = "dialogues", **params: object) -> Path:
    paths = {"items": folder / "items", "heldout": folder / "heldout", "dialogues": folder / dialogues}
    if previous:
        paths["previous"] = folder / previous / "state"
    bind.call(measure_overlap, params=params, **paths, **{name: folder / out / name for name in OUTPUTS})
    return folder / out


def overlaps(out: Path) -> dict[str, Overlap]:
    return {row.item_id: row for row in Input(out / "overlap", Overlap).rows()}


def test_every_test_item_and_prompt_gets_a_row_with_its_nearest_text(inputs: Path) -> None:
    rows = overlaps(run(inputs))
    assert list(rows) == ["q0", "q1", "q3", "p0", "p1", "p2"]
    assert (rows["q0"].bleu_dialogue, rows["q0"].bleu_turn) == ("d0", 1)
    assert (rows["p0"].bleu_dialogue, rows["p0"].bleu_turn, rows["p0"].benchmark) == ("d1", 0, "")
    assert rows["p0"].bleu == pytest.approx(100.0)
    assert (rows["p1"].bleu, rows["p1"].bleu_dialogue, rows["p1"].cosine_dialogue) == (0.0, "", "")
    # A model's turn is searched for words, and is no prompt.
    assert rows["q3"].ngram13 == 1.0
    assert rows["q3"].cosine < 0.5
    assert (rows["q1"].ngram8, rows["q0"].ngram8) == (None, 0.0)


def test_dirty_follows_the_policys_thresholds_each_alone(inputs: Path) -> None:
    rows = overlaps(run(inputs))
    assert {name for name, row in rows.items() if row.dirty} == {"q3", "p0", "p2"}
    loose = {"prompt_bleu": 100.0, "item_bleu": 100.0, "item_ngram8": 1.0, "item_ngram13": 1.0}
    # Everything was found of q3, so no share above it can be asked for.
    rows = overlaps(run(inputs, policy={"data": loose, "alpha": 0.05}))
    assert {name for name, row in rows.items() if row.dirty} == {"q3"}
    rows = overlaps(run(inputs, policy={"data": {**loose, "item_bleu": 20.0}}))
    assert {name for name, row in rows.items() if row.dirty} == {"q0", "q3"}


def test_leaked_prompts_are_set_aside_with_the_place_they_repeat(inputs: Path) -> None:
    out = run(inputs)
    clean, leaked = Input(out / "clean_heldout", Prompt).rows(), Input(out / "leaked", Removal).rows()
    assert [prompt.id for prompt in clean] == ["p1"]
    assert [row.id for row in leaked] == ["p0", "p2"]
    assert leaked[0].reason == "leaked"
    assert leaked[0].detail == "BLEU 100.0 to turn 0 of dialogue d1"
    assert leaked[0].raw == PROMPTS[0][1]


def test_the_manifest_says_what_was_counted_and_by_which_thresholds(inputs: Path) -> None:
    notes = Input(run(inputs) / "overlap", Overlap).manifest.notes
    assert notes["thresholds"] == {"prompt_bleu": 20.0, "item_bleu": 60.0, "item_ngram8": 0.5, "item_ngram13": 1e-9}
    assert (notes["training_texts"], notes["diversity_queries"]) == (8, 3)
    counts: Any = notes["benchmarks"]
    assert (counts["facts"]["n"], counts["copies"]["dirty"], counts[""]["dirty"]) == (2, 1, 2)
    assert counts["copies"]["ngram13_found"] == 1


@pytest.mark.parametrize(("queries", "expected"), [("first", [("d0", 0), ("d1", 0), ("d2", 0)]), ("all", 4)])
def test_a_query_is_the_first_user_turn_unless_all_are_wanted(inputs: Path, queries: str, expected: Any) -> None:
    rows = Input(run(inputs, queries=queries) / "neighbours", QueryNeighbour).rows()
    assert len(rows) == expected if queries == "all" else [(row.dialogue_id, row.turn) for row in rows] == expected
    assert (rows[0].nearest_dialogue, rows[0].bleu > 30.0) == ("d1", True)


def test_without_diversity_there_are_no_neighbours_and_no_number(inputs: Path) -> None:
    out = run(inputs, diversity=False)
    assert Input(out / "neighbours", QueryNeighbour).rows() == []
    assert Input(out / "overlap", Overlap).manifest.notes["diversity_bleu"] is None


def test_data_added_to_an_earlier_run_give_the_rows_of_one_run_over_all(inputs: Path) -> None:
    write_rows(inputs / "first", Dialogue, [dialogue(*row) for row in DIALOGUES[:1]])
    write_rows(inputs / "second", Dialogue, [dialogue(*row) for row in DIALOGUES[1:]])
    run(inputs, out="a", dialogues="first")
    added = run(inputs, out="b", previous="a", dialogues="second")
    whole = run(inputs)
    for name, row in (("overlap", Overlap), ("neighbours", QueryNeighbour)):
        assert Input(added / name, row).rows() == Input(whole / name, row).rows()
    assert Input(added / "overlap", Overlap).manifest.notes == Input(whole / "overlap", Overlap).manifest.notes


def test_an_earlier_run_over_other_items_or_queries_is_refused(inputs: Path) -> None:
    run(inputs, out="a")
    with pytest.raises(TouchstoneError, match="first queries, and all queries"):
        run(inputs, out="b", previous="a", queries="all")
    write_rows(inputs / "items", TaskItem, [item(*ITEMS[0])])
    with pytest.raises(TouchstoneError, match="other held-out texts"):
        run(inputs, out="b", previous="a")


def test_nothing_to_search_for_is_an_error_and_a_wrong_threshold_names_its_field(inputs: Path) -> None:
    with pytest.raises(UsageError, match="prompt_blue"):
        run(inputs, policy={"data": {"prompt_blue": 20.0}})
    write_rows(inputs / "items", TaskItem, [item(*ITEMS[2])])
    write_rows(inputs / "heldout", Prompt, [])
    with pytest.raises(TouchstoneError, match="nothing to search for"):
        run(inputs)


def test_data_without_a_dialogue_leave_everything_clean(inputs: Path) -> None:
    write_rows(inputs / "none", Dialogue, [])
    out = run(inputs, dialogues="none")
    assert {row.bleu for row in overlaps(out).values()} == {0.0}
    assert len(Input(out / "clean_heldout", Prompt).rows()) == 3
    assert Input(out / "overlap", Overlap).manifest.notes["diversity_bleu"] is None
