"""Dumps to dialogues: nothing lost, nothing leaked, no habit of a file in the result."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from components.contracts import bind
from components.contracts.dialogue_rows import Dialogue, Removal
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Input, Output
from components.contracts.rows import Turn
from components.ingest.cleaning import clean, clean_rows
from components.ingest.cleaning_rules import CleaningRules
from components.ingest.dumps import Dump, write_dump
from components.ingest.queries import in_subset_order
from components.ingest.reading.sources import DumpSource
from components.ingest.spool import Spool
from components.ingest.step import ingest_dumps

SECRET = "jane.doe77@gmail.com"
REPLY = "That depends on what you would like to do with it, and on how much time there is for the work."


def _chat(name: str, query: str, reply: str = REPLY) -> dict[str, Any]:
    return {"id": name, "conversations": [{"from": "human", "value": query}, {"from": "gpt", "value": reply}]}


MIXED: list[dict[str, Any]] = [
    *(_chat(f"a{n}", f"What should I know about subject number {n} before I begin?") for n in range(40)),
    *(
        _chat(f"b{n}", f"what should I know about subject number {n}  before I begin", f"{n}: {REPLY}")
        for n in range(20)
    ),
    _chat("german", "Wie ist das Wetter in den Bergen?", "Das Wetter in den Bergen ist heute sonnig und sehr warm."),
    _chat("secret", f"Write to {SECRET} and ask him whether he would like to come to the party"),
    _chat("secret-gone", f"Schreib bitte einen Brief an {SECRET}", "Gerne, hier ist der Brief, den du haben wolltest."),
    _chat("short", "2+2", "4"),
    {"id": "bad", "conversations": [{"from": "bing", "value": f"ask {SECRET}"}]},
    {"id": "no", "conversations": [{"from": "human", "value": "Hello there"}]},
]


def _dump(folder: Path, *files: list[dict[str, Any]], **source: Any) -> Path:
    folder.mkdir()
    paths = []
    for number, records in enumerate(files):
        paths.append(folder / f"part{number}.jsonl")
        paths[-1].write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    output = Output(folder / "dump", Dump)
    write_dump(output.folder, paths, [DumpSource(**source) for _ in paths])
    output.commit()
    return output.path


def _ingest(dump: Path, **params: Any) -> tuple[list[Dialogue], list[Removal], dict[str, float]]:
    out = dump.parent
    outcome = bind.call(ingest_dumps, params=params, dump=dump, dialogues=out / "dialogues", removed=out / "removed")
    return Input(out / "dialogues", Dialogue).rows(), Input(out / "removed", Removal).rows(), outcome.metrics


@pytest.mark.slow
def test_everything_that_comes_in_is_kept_or_removed_with_its_reason(tmp_path: Path) -> None:
    kept, removed, metrics = _ingest(_dump(tmp_path / "in", MIXED))
    assert len(kept) + len(removed) == len(MIXED) == metrics["in"]
    reasons = {"duplicate": 20, "language": 2, "no_reply": 1, "too_short": 1, "unknown_role": 1}
    assert Counter(row.reason for row in removed) == reasons
    assert {d.id for d in kept}.isdisjoint(row.id for row in removed)
    notes = Input(tmp_path / "in" / "dialogues", Dialogue).manifest.notes
    assert notes["reasons"] == reasons
    assert notes["languages"] == {"en": 41}
    assert notes["redacted"] == {"e_mail": 1}
    assert notes["sources"] == {"part0": 41}


def test_no_output_holds_a_secret_and_passports_count_them(tmp_path: Path) -> None:
    kept, _, _ = _ingest(_dump(tmp_path / "in", MIXED))
    for port in ("dialogues", "removed"):
        assert SECRET not in (tmp_path / "in" / port / "rows.jsonl").read_text(encoding="utf-8")
    with_secrets = [d for d in kept if d.passport.redacted]
    assert [(d.id, d.passport.redacted) for d in with_secrets] == [("secret", {"e_mail": 1})]
    assert "Write to [E-MAIL] and" in with_secrets[0].turns[0].text


def test_passports_say_what_is_known_of_the_dump(tmp_path: Path) -> None:
    known = {"target": "gpt-3.5", "target_date": "2023-03", "terms": "restricted", "licence": "CC-BY-4.0"}
    kept, _, _ = _ingest(_dump(tmp_path / "in", MIXED, **known))
    for dialogue in kept:
        passport = dialogue.passport.model_dump()
        assert {"target": dialogue.target, **{key: passport[key] for key in list(known)[1:]}} == known
        assert passport["language"] == "en"
        assert passport["origin"].startswith("part0.jsonl, line ")


def _without_places(rows: list[Any]) -> list[Any]:
    # Where in the file it stood is the one thing that shuffling a file changes.
    return [
        row.model_copy(update={"passport": row.passport.model_copy(update={"origin": ""})})
        if isinstance(row, Dialogue)
        else row.model_copy(update={"detail": row.detail.partition(": ")[2] or row.detail})
        for row in rows
    ]


def test_the_order_of_the_dump_does_not_show(tmp_path: Path) -> None:
    shuffled = MIXED.copy()
    random.Random(1).shuffle(shuffled)
    one = _ingest(_dump(tmp_path / "one", MIXED))
    other = _ingest(_dump(tmp_path / "other", shuffled))
    assert [_without_places(rows) for rows in one[:2]] == [_without_places(rows) for rows in other[:2]]


def test_dialogues_of_one_id_are_all_marked_by_their_content_in_any_order(tmp_path: Path) -> None:
    twins = [
        {"id": "chat", "instruction": f"Please tell me what makes {word} so special", "output": f"All about {word}."}
        for word in ("mountains", "oceans", "deserts")
    ]
    one, _, _ = _ingest(_dump(tmp_path / "one", twins))
    other, _, _ = _ingest(_dump(tmp_path / "other", twins[::-1]))
    assert len({row.id for row in one}) == 3
    assert all(row.id.startswith("chat~") for row in one)
    assert {row.id: row.turns for row in one} == {row.id: row.turns for row in other}


def test_the_number_of_processes_does_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.ingest.dump_cleaning.PROCESSES_ABOVE_BYTES", 0)
    monkeypatch.setattr("components.ingest.cleaning.BATCH_BYTES", 1_000)
    dump = _dump(tmp_path / "in", MIXED)
    assert _ingest(dump, workers=1)[:2] == _ingest(dump, workers=3)[:2]


def test_dialogues_come_in_the_order_of_nested_subsets(tmp_path: Path) -> None:
    kept, _, _ = _ingest(_dump(tmp_path / "in", MIXED), seed=5)
    assert kept == in_subset_order(kept, 5) != in_subset_order(kept, 6)


def test_two_dumps_that_both_count_from_one_keep_ids_apart(tmp_path: Path) -> None:
    ours, theirs = [_chat("1", "What is the first question about?")], [_chat("1", "And what is the second one about?")]
    kept, _, _ = _ingest(_dump(tmp_path / "in", ours, theirs))
    ids = {d.id for d in kept}
    assert len(ids) == 2
    assert all(name.startswith("1~") for name in ids)
    swapped, _, _ = _ingest(_dump(tmp_path / "swapped", theirs, ours))
    assert {d.turns[0].text: d.id[:2] for d in swapped} == {d.turns[0].text: d.id[:2] for d in kept}


def test_a_duplicate_in_a_foreign_language_does_not_displace_the_wanted_one(tmp_path: Path) -> None:
    query = "Tell me about the weather"
    german = _chat(
        "de", query, "Das Wetter in den Bergen ist heute sonnig, und morgen wird es vielleicht auch regnen. " * 5
    )
    for number in range(8):
        chats = [german, _chat("en", query, f"{number}: {REPLY}")]
        kept, removed, _ = _ingest(_dump(tmp_path / f"in{number}", chats))
        assert ([d.id for d in kept], [r.reason for r in removed]) == (["en"], ["language"])


PROMPT = " ".join(f"the part numbered {n} of this long prompt is about thing {n}," for n in range(20))


def test_near_duplicates_go_and_templates_with_another_slot_stay(tmp_path: Path) -> None:
    chats = [
        _chat("plain", PROMPT),
        _chat("polite", f"{PROMPT} please"),
        _chat("cats", f"{PROMPT} and about cats"),
        _chat("dogs", f"{PROMPT} and about dogs"),
    ]
    kept, removed, _ = _ingest(_dump(tmp_path / "in", chats[:2]))
    assert [row.reason for row in removed] == ["near_duplicate"]
    assert removed[0].detail == f"asks nearly the same as {kept[0].id}"
    kept, _, _ = _ingest(_dump(tmp_path / "slots", chats[2:]))
    assert {d.id for d in kept} == {"cats", "dogs"}
    assert len(_ingest(_dump(tmp_path / "off", chats), near_duplicate_jaccard=None)[0]) == 4


@pytest.mark.parametrize(
    ("params", "kept"),
    [({"languages": []}, 43), ({"languages": ["de"]}, 2), ({"min_chars": 0}, 42), ({"redact": False}, 41)],
)
def test_rules_are_parameters(tmp_path: Path, params: dict[str, Any], kept: int) -> None:
    assert len(_ingest(_dump(tmp_path / "in", MIXED), **params)[0]) == kept


@pytest.mark.parametrize(
    ("records", "params", "error", "found"),
    [
        (MIXED[-6:-5], {}, TouchstoneError, "no dialogue is left of 1: 1 language"),
        (MIXED, {"languages": ["english"]}, UsageError, "english"),
        (MIXED, {"near_duplicate_jaccard": 0.1}, UsageError, "near_duplicate_jaccard"),
    ],
)
def test_nothing_left_and_impossible_rules_are_errors(
    tmp_path: Path, records: list[dict[str, Any]], params: dict[str, Any], error: type[TouchstoneError], found: str
) -> None:
    with pytest.raises(error, match=found):
        _ingest(_dump(tmp_path / "in", records), **params)


def test_a_reply_that_shows_nothing_is_empty(tmp_path: Path) -> None:
    chats = [
        _chat("a", "Tell me what you would like to know about it", "\u200b \n"),
        _chat("b", "And what else would you?"),
    ]
    kept, removed, _ = _ingest(_dump(tmp_path / "in", chats))
    assert [row.id for row in kept] == ["b"]
    assert [(row.id, row.reason, row.detail) for row in removed] == [("a", "empty", "turn 2 shows nothing")]


def _dialogue(number: int, text: str = "") -> Dialogue:
    turns = (Turn(speaker="user", text=text or f"question {number}"), Turn(speaker="assistant", text=REPLY))
    return Dialogue(id=f"d{number}", source="s", target="t", turns=turns)


@pytest.mark.slow
def test_one_dialogue_repeated_takes_one_signature(tmp_path: Path) -> None:
    text = "the same long question about everything and nothing " * 100
    rows = (_dialogue(number, text) for number in range(1_000))
    with Spool(tmp_path) as spool:
        for cleaned in clean_rows(rows, CleaningRules()):
            spool.add(cleaned)
        decision = spool.decide(0.9)
        assert (len(decision.kept), len(decision.duplicates)) == (1, 999)
        assert spool.num_signatures == 1
        assert sum(1 for _ in spool.removed(decision)) == 999
    assert list(tmp_path.iterdir()) == []


def test_scratch_files_have_no_name(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        for cleaned in clean_rows([_dialogue(1)], CleaningRules()):
            spool.add(cleaned)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_killed_process_is_told_as_such() -> None:
    def rows() -> Any:
        import os
        import signal
        from multiprocessing import active_children

        for number in range(20_000):
            if number == 10_000:
                os.kill(active_children()[0].pid or 0, signal.SIGKILL)
            yield _dialogue(number)

    with pytest.raises(TouchstoneError, match="was killed"):
        list(clean_rows(rows(), CleaningRules(), workers=2))


def test_cleaning_touches_nothing_but_text_and_passport() -> None:
    dialogue = _dialogue(1, f"Write to {SECRET} and to nobody else, would you?")
    cleaned = clean(dialogue, CleaningRules())
    assert isinstance(cleaned, Dialogue)
    assert cleaned.model_dump(exclude={"turns", "passport"}) == dialogue.model_dump(exclude={"turns", "passport"})
    assert cleaned.turns[1] == dialogue.turns[1]
    assert (cleaned.passport.language, cleaned.passport.redacted) == ("en", {"e_mail": 1})
