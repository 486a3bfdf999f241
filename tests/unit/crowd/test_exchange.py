"""Ratings that go out and come back in files, whatever a spreadsheet or a rater does to them."""

import csv
import html
import io
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.contracts.crowd_rows import NOBODY, StudyPair
from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import Judgment
from components.crowd.exchange.label_studio import read_export, write_tasks
from components.crowd.exchange.ratings import Imported, Rating, as_judgments
from components.crowd.exchange.sheets import escaped_cell, read_sheet, unescaped_cell, write_sheet
from components.crowd.exchange.tickets import by_ticket, shown_pairs
from components.crowd.study.design import says_the_same
from components.crowd.study.rules import ExclusionRules

EVIL = [
    "=1+1",
    "+44 20",
    "-5 degrees",
    "@SUM(A1)",
    "'=already",
    "''",
    "'",
    "\t=cmd|' /C calc'!A0",
    "\rx",
    'say "hi"; a,b\tc',
    "two\nlines\r\nand\n\nmore",
    "<script>alert(1)</script> & ${prompt}",
    "مرحبا \u202e עברית",
    "日本語 👩‍👩‍👧 naïve",
    "",
    "   ",
    "00123",
    "1e5",
    "3-4",
    "\x00\x07",
]


def pair(number: int, kind: Any = "headline", **changes: Any) -> StudyPair:
    given: dict[str, Any] = {
        "pair_id": f"imitator-vs-target-{number}",
        "prompt_id": f"q{number}",
        "prompt": f"prompt {number}",
        "model": "imitator",
        "opponent": "target",
        "output": f"imitator's {number}",
        "opponent_output": f"target's {number}",
        "kind": kind,
        "seed": 7,
    }
    return StudyPair(**{**given, **changes})


PAIRS = [pair(n) for n in range(30)]


def imported(ratings: list[Rating], pairs: list[StudyPair] = PAIRS, rules: ExclusionRules | None = None) -> Imported:
    return as_judgments(ratings, pairs, source="sheet", pseudonym=lambda name: f"hash-of-{name}", rules=rules)


def filled(path: Path, answer: Callable[[dict[str, str]], str], rater: str = "ann") -> list[dict[str, str]]:
    """The sheet's rows as somebody fills them, by their own reading of the texts."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return [{**row, "rater": rater, "preference": answer(row)} for row in rows]


def saved(path: Path, rows: list[dict[str, str]], delimiter: str = ",", encoding: str = "utf-8") -> Path:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))
    return path


def prefers(words: str) -> Callable[[dict[str, str]], str]:
    return lambda row: "left" if words in row["left"] else "right" if words in row["right"] else "equal"


def test_who_likes_the_imitator_wins_for_it_on_whatever_side_it_stood(tmp_path: Path) -> None:
    write_sheet(tmp_path / "out.csv", PAIRS)
    rows = filled(tmp_path / "out.csv", prefers("imitator's"))
    found = imported(read_sheet(saved(tmp_path / "in.csv", rows)))
    assert {row.outcome for row in found.judgments} == {"win"}
    assert {row.prompt_id for row in found.judgments} == {f"q{n}" for n in range(30)}
    # The coin is fair: both sides occur.
    assert {row.order for row in found.judgments} == {"model_first", "opponent_first"}
    assert {row.rater for row in found.judgments} == {"hash-of-ann"}


def test_the_other_edition_has_all_sides_turned(tmp_path: Path) -> None:
    write_sheet(tmp_path / "turned.csv", PAIRS, turned=True)
    found = imported(read_sheet(saved(tmp_path / "in.csv", filled(tmp_path / "turned.csv", prefers("target's")))))
    assert {row.outcome for row in found.judgments} == {"loss"}
    plain = {shown.pair.pair_id: shown.left for shown in shown_pairs(PAIRS)}
    assert all(plain[shown.pair.pair_id] == shown.right for shown in shown_pairs(PAIRS, turned=True))


@pytest.mark.parametrize("seed", range(8))
def test_any_text_survives_the_way_out(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)

    def text() -> str:
        return "".join(draw.choice([*EVIL, "word ", "=", "'", '"', ";", "\n"]) for _ in range(draw.randrange(4)))

    pairs = [pair(n, prompt=text(), output=text(), opponent_output=text()) for n in range(25)]
    write_sheet(tmp_path / "out.csv", pairs, turned=draw.random() < 0.5)
    write_tasks(tmp_path / "out.json", pairs)
    known = by_ticket(pairs)
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    tasks = [task["data"] for task in json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))]
    assert len(rows) == len(tasks) == sum(not says_the_same(one) for one in pairs) > 15
    for row in rows:
        for cell in row.values():
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
        shown = known[row["ticket"]]
        assert unescaped_cell(row["prompt"]) == shown.pair.prompt
        marked = [escaped_cell(text) != text for text in (shown.left, shown.right)]
        # An apostrophe before one answer alone would tell the answers apart that begin like a list.
        mark = "'" if any(marked) else ""
        assert (row["left"], row["right"]) == (mark + shown.left, mark + shown.right)
    for task in tasks:
        shown = known[task["ticket"]]
        assert [task["prompt"], task["left"], task["right"]] == [shown.pair.prompt, shown.left, shown.right]


@pytest.mark.parametrize("text", ["- a list", "=1+1", "@name", "+1", "\ttabbed", "'-quoted", "other", "<b> & more"])
def test_a_batch_shows_texts_as_they_are_and_no_cell_is_a_formula(tmp_path: Path, text: str) -> None:
    write_sheet(tmp_path / "batch.csv", [pair(0, output=text, opponent_output="plain")], "mturk")
    with (tmp_path / "batch.csv").open(encoding="utf-8", newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert sorted(html.unescape(row[side]) for side in ("left", "right")) == sorted([text, "plain"])
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row.values())


@pytest.mark.parametrize("text", EVIL)
def test_escaping_a_cell_is_undone_exactly(text: str) -> None:
    assert unescaped_cell(escaped_cell(text)) == text
    assert unescaped_cell(escaped_cell(escaped_cell(text))) == escaped_cell(text)


def test_what_goes_out_names_no_model_and_no_kind(tmp_path: Path) -> None:
    pairs = [
        *[pair(n, output="a", opponent_output="b") for n in range(5)],
        pair(90, "gold", expected="loss", output="c", opponent_output="d"),
        pair(91, "placebo", model="placebo:constant", output="e", opponent_output="f"),
        pair(92, "repeat", repeats="imitator-vs-target-0", output="a", opponent_output="b"),
    ]
    write_sheet(tmp_path / "s.csv", pairs)
    write_sheet(tmp_path / "m.csv", pairs, "mturk")
    write_tasks(tmp_path / "t.json", pairs)
    for name in ("s.csv", "m.csv", "t.json"):
        words = (tmp_path / name).read_text(encoding="utf-8")
        for secret in ("imitator", "target", "placebo", "gold", "repeat"):
            assert secret not in words


SPREADSHEETS: dict[str, Callable[[bytes], bytes]] = {
    "untouched": lambda data: data,
    "byte-order mark": lambda data: b"\xef\xbb\xbf" + data,
    "semicolons": lambda data: _rewritten(data, ";"),
    "tabs and UTF-16": lambda data: _rewritten(data, "\t").decode().encode("utf-16"),
    "sep line": lambda data: b"sep=;\r\n" + _rewritten(data, ";"),
    "old encoding": lambda data: data.decode().encode("cp1252", "replace"),
    "blank rows": lambda data: data + b",,,,,\r\n\r\n",
    "blank columns": lambda data: _with_columns(data, ["", ""], ["", ""]),
    "own columns": lambda data: _with_columns(data, ["my notes", "Date"], ["=HYPERLINK(1)", "01.02.03"]),
    "other case": lambda data: data.replace(b"preference", b" Preference ").replace(b"ticket", b"TICKET", 1),
    "unix lines": lambda data: data.replace(b"\r\n", b"\n"),
    "shuffled": lambda data: _shuffled(data),
    "doubled": lambda data: data + data.split(b"\r\n", 1)[1],
}


def _rewritten(data: bytes, delimiter: str) -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(csv.reader(io.StringIO(data.decode(), newline="")))
    return out.getvalue().encode()


def _with_columns(data: bytes, names: list[str], values: list[str]) -> bytes:
    rows = list(csv.reader(io.StringIO(data.decode(), newline="")))
    out = io.StringIO()
    csv.writer(out).writerows([names[:1] + rows[0] + names[1:]] + [values[:1] + r + values[1:] for r in rows[1:]])
    return out.getvalue().encode()


def _shuffled(data: bytes) -> bytes:
    head, *rows = data.strip().split(b"\r\n")
    random.Random(1).shuffle(rows)
    return b"\r\n".join([head, *rows])


@pytest.mark.parametrize("habit", SPREADSHEETS)
def test_a_sheet_edited_in_a_spreadsheet_says_the_same(tmp_path: Path, habit: str) -> None:
    pairs = [pair(n, prompt=f"größer als {n}?") for n in range(12)]
    write_sheet(tmp_path / "out.csv", pairs)
    rows = filled(tmp_path / "out.csv", prefers("imitator's"))
    before = imported(read_sheet(saved(tmp_path / "in.csv", rows)), pairs)
    (tmp_path / "in.csv").write_bytes(SPREADSHEETS[habit]((tmp_path / "in.csv").read_bytes()))
    after = imported(read_sheet(tmp_path / "in.csv"), pairs)
    assert sorted(after.judgments, key=str) == sorted(before.judgments, key=str)
    assert after.num_doubled == (12 if habit == "doubled" else 0)


def test_a_text_longer_than_a_cell_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    fits, too_long = pair(1, output="x" * 32_767), pair(2, output="=" + "x" * 32_766)
    assert write_sheet(tmp_path / "a.csv", [fits]) == 1
    with pytest.raises(TouchstoneError, match="32,768 characters"):
        write_sheet(tmp_path / "b.csv", [fits, too_long])
    assert not (tmp_path / "b.csv").exists()
    assert write_tasks(tmp_path / "b.json", [pair(3, output="x" * 200_000)]) == 1


def rating(
    number: int, choice: Any, rater: str = "ann", pairs: list[StudyPair] = PAIRS, turned: bool = False
) -> Rating:
    (shown,) = (s for s in shown_pairs(pairs, turned=turned) if s.pair.pair_id == pairs[number].pair_id)
    return Rating(f"in.csv, line {number + 2}", shown.ticket, "ann", choice)


def test_the_same_answer_twice_counts_once_and_two_answers_are_unknown() -> None:
    found = imported([rating(0, "left"), rating(0, "left"), rating(1, "left"), rating(1, "right"), rating(2, "equal")])
    outcomes = {row.prompt_id: (row.outcome, row.unscored) for row in found.judgments}
    assert outcomes["q0"][1] is None
    assert outcomes["q1"] == (None, "the rater answered twice, differently")
    assert outcomes["q2"] == ("tie", None)
    assert found.num_doubled == 1
    # On turned sides left and right are the same answer.
    both = imported([rating(0, "left"), rating(0, "right", turned=True)])
    assert (len(both.judgments), both.num_doubled) == (1, 1)
    assert both.judgments[0].outcome in {"win", "loss"}


def test_ratings_of_another_study_or_of_changed_texts_are_refused() -> None:
    other = [pair(n, output="changed since") for n in range(7)]
    with pytest.raises(TouchstoneError, match=r"7 of 8 ratings are of no pair.* and 2 more"):
        imported([rating(0, "left"), *[rating(n, "left", pairs=other) for n in range(7)]])


def test_a_rating_without_a_rater_is_refused_unless_the_file_has_one(tmp_path: Path) -> None:
    write_sheet(tmp_path / "out.csv", PAIRS)
    rows = filled(tmp_path / "out.csv", prefers("imitator's"), rater="")
    path = saved(tmp_path / "in.csv", rows)
    with pytest.raises(TouchstoneError, match=r"30 ratings do not say who rated, first in\.csv, line 2"):
        imported(read_sheet(path))
    assert {row.rater for row in imported(read_sheet(path, rater="bob")).judgments} == {"hash-of-bob"}


def test_rows_that_nobody_filled_are_no_ratings_and_odd_answers_are_unscored(tmp_path: Path) -> None:
    write_sheet(tmp_path / "out.csv", PAIRS[:4])
    rows = filled(tmp_path / "out.csv", lambda row: "")
    rows[0].update(rater="", preference="")
    rows[1].update(preference="")
    rows[2].update(preference="the first one")
    rows[3].update(preference=" LEFT ")
    found = imported(read_sheet(saved(tmp_path / "in.csv", rows)), PAIRS[:4])
    reasons = sorted(str(row.unscored) for row in found.judgments)
    assert reasons == ["None", "left empty", "the answer is 'the first one', not left, right or equal"]


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "is empty"),
        (b"\r\n\r\n", "is empty"),
        (b"a,b\n1,2\n", "has no column ticket, only a, b"),
        (b"ticket,prompt\nt1,x\n", "no column that holds answers"),
        (b"ticket,preference,preference\nt1,left,right\n", "has the column preference twice"),
        (b"PK\x03\x04rest", "spreadsheet's own format"),
        (b'ticket,preference\n"t1,left\n', "unexpected end of data"),
        (b"ticket,preference\nt1,left\n", "of no pair of this study"),
    ],
)
def test_files_that_are_no_sheets_say_why(tmp_path: Path, content: bytes, match: str) -> None:
    (tmp_path / "in.csv").write_bytes(content)
    with pytest.raises(TouchstoneError, match=match):
        imported(read_sheet(tmp_path / "in.csv", rater="ann"))


def test_a_missing_file_is_a_user_s_failure(tmp_path: Path) -> None:
    with pytest.raises(TouchstoneError, match="cannot be read"):
        read_sheet(tmp_path / "none.csv")
    with pytest.raises(TouchstoneError, match=r"none\.json"):
        read_export(tmp_path / "none.json")


# -- Mechanical Turk's batches ----------------------------------------------------------------------------------------


def batch_results(path: Path, answers: Callable[[bool], dict[str, str]]) -> Path:
    """The results file of a batch, as the requester's site gives it, from its input file."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    results = []
    for row in rows:
        for worker in ("A1", "A2", "A3"):
            result = {"HITId": "3X", "AssignmentId": f"{row['ticket']}{worker}", "WorkerId": worker}
            result |= {"AssignmentStatus": "Rejected" if worker == "A3" else "Submitted", "WorkTimeInSeconds": "41"}
            result |= {f"Input.{name}": cell for name, cell in row.items()}
            results.append(result | answers("imitator" in row["left"]) | {"Approve": "", "Reject": ""})
    return saved(path.with_name("Batch_1_batch_results.csv"), results)


@pytest.mark.parametrize(("told", "read"), [("12.5", 12.5), ("0", 0.0), ("-1", None), ("nan", None), ("1e300", None)])
def test_times_that_can_be_none_are_unknown(tmp_path: Path, told: str, read: float | None) -> None:
    write_sheet(tmp_path / "out.csv", PAIRS[:1])
    rows = [{**row, "seconds": told} for row in filled(tmp_path / "out.csv", lambda row: "left")]
    (rating,) = read_sheet(saved(tmp_path / "back.csv", rows))
    assert rating.seconds == read


BATCHES: dict[str, Callable[[bool], dict[str, str]]] = {
    "value": lambda left: {"Answer.preference": "left" if left else "right"},
    "marks": lambda left: {
        "Answer.preference.left": str(left).lower(),
        "Answer.preference.right": str(not left).lower(),
        "Answer.preference.equal": "false",
    },
    "form": lambda left: {
        "Answer.taskAnswers": json.dumps([{"preference": {"left": left, "right": not left, "equal": False}}])
    },
    "form value": lambda left: {"Answer.taskAnswers": json.dumps([{"preference": "left" if left else "right"}])},
}


@pytest.mark.parametrize("answers", BATCHES)
def test_a_batch_comes_back_however_its_form_put_the_answer(tmp_path: Path, answers: str) -> None:
    write_sheet(tmp_path / "batch.csv", PAIRS, "mturk")
    ratings = read_sheet(batch_results(tmp_path / "batch.csv", BATCHES[answers]))
    assert {one.seconds for one in ratings} == {41.0}
    found = imported(ratings)
    by_rater: dict[str, set[tuple[Any, Any]]] = {}
    for row in found.judgments:
        by_rater.setdefault(row.rater, set()).add((row.outcome, row.unscored))
    assert by_rater["hash-of-mturk:A1"] == by_rater["hash-of-mturk:A2"] == {("win", None)}
    assert by_rater["hash-of-mturk:A3"] == {(None, "the assignment was rejected")}


def test_texts_of_a_batch_are_inert_in_its_page(tmp_path: Path) -> None:
    write_sheet(tmp_path / "batch.csv", [pair(0, prompt="<img src=x onerror=alert(1)>")], "mturk")
    assert "&lt;img src=x onerror=alert(1)&gt;" in (tmp_path / "batch.csv").read_text()


# -- Label Studio -----------------------------------------------------------------------------------------------------


def exported(tasks: list[dict[str, Any]], path: Path, result: Callable[[str], list[dict[str, Any]]]) -> Path:
    for number, task in enumerate(tasks, 1):
        side = "left" if "imitator" in task["data"]["left"] else "right"
        task["id"] = number
        task["annotations"] = [
            {"id": number * 10, "completed_by": {"id": 3, "email": "ann@x.org"}, "result": result(side)},
            {"id": number * 10 + 1, "completed_by": 4, "result": [], "was_cancelled": True, "lead_time": 2.5},
        ]
    path.write_text(json.dumps(tasks))
    return path


@pytest.mark.parametrize(
    "result",
    [
        lambda side: [{"type": "choices", "from_name": "preference", "value": {"choices": [side]}}],
        lambda side: [{"type": "pairwise", "from_name": "pw", "value": {"selected": side}}],
    ],
    ids=["choices", "pairwise"],
)
def test_label_studio_s_export_comes_back(tmp_path: Path, result: Any) -> None:
    write_tasks(tmp_path / "tasks.json", PAIRS)
    path = exported(json.loads((tmp_path / "tasks.json").read_text()), tmp_path / "export.json", result)
    found = imported(read_export(path))
    of = {name: [row for row in found.judgments if row.rater == f"hash-of-{name}"] for name in ("ann@x.org", "4")}
    assert [len(rows) for rows in of.values()] == [30, 30]
    assert {row.outcome for row in of["ann@x.org"]} == {"win"}
    assert {row.unscored for row in of["4"]} == {"skipped by the rater"}


def test_the_flat_export_comes_back_too(tmp_path: Path) -> None:
    tickets = [shown.ticket for shown in shown_pairs(PAIRS)]
    answers: list[Any] = ["left", {"selected": "right"}, {"choices": ["left", "right"]}, None]
    flat = [
        {"id": n, "ticket": ticket, "preference": said, "annotator": 3, "lead_time": 9.5}
        for n, (ticket, said) in enumerate(zip(tickets, answers, strict=False))
    ]
    (tmp_path / "min.json").write_text(json.dumps(flat))
    ratings = read_export(tmp_path / "min.json")
    assert [one.choice for one in ratings] == ["left", "right", None, None]
    assert [one.unscored for one in ratings[2:]] == ["2 answers are marked", "left empty"]
    assert {(one.rater, one.seconds) for one in ratings} == {("3", 9.5)}


def test_a_file_that_is_no_export_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('[{"text": "hello"}]')
    with pytest.raises(TouchstoneError, match="neither data nor ticket"):
        read_export(tmp_path / "x.json")


# -- checks and exclusion ---------------------------------------------------------------------------------------------


def test_gold_and_repeats_decide_who_counts_and_are_no_judgments() -> None:
    pairs = [
        *PAIRS,
        *[pair(100 + n, "gold", expected="loss") for n in range(4)],
        *[pair(200 + n, "repeat", repeats=PAIRS[n].pair_id) for n in range(4)],
    ]

    def answers(rater: str, gold_side: bool) -> list[Rating]:
        given = []
        for shown in shown_pairs(pairs):
            right = "right" if shown.model_left else "left"  # the target's side
            wrong = "left" if shown.model_left else "right"
            gold = shown.pair.kind == "gold"
            given.append(Rating("x", shown.ticket, rater, right if gold_side or not gold else wrong))  # type: ignore[arg-type]
        return given

    ratings = answers("good", gold_side=True) + answers("careless", gold_side=False)
    found = imported(ratings, pairs, ExclusionRules())
    assert dict(found.excluded) == {"hash-of-careless": "0 of 4 gold items right, the rule asks for 50%"}
    assert found.num_checks == 16
    good = [row for row in found.judgments if row.rater == "hash-of-good"]
    bad = [row for row in found.judgments if row.rater == "hash-of-careless"]
    assert (len(good), len(bad)) == (30, 30)
    assert {row.outcome for row in good} == {"loss"}
    assert {row.unscored for row in bad} == {"rater excluded: 0 of 4 gold items right, the rule asks for 50%"}
    assert all(isinstance(row, Judgment) for row in found.judgments)
    # A rule about repeats sees the first answer, on whatever side it was given.
    strict = ExclusionRules(min_gold_share=None, min_repeat_share=1.0)
    steady = answers("steady", gold_side=True)
    assert not imported(steady, pairs, strict).excluded
    repeats = {shown.ticket for shown in shown_pairs(pairs) if shown.pair.kind == "repeat"}
    wavering = [replace(one, choice="equal") if one.ticket in repeats else one for one in steady]
    assert list(imported(wavering, pairs, strict).excluded.values()) == ["0 of 4 repeats alike, the rule asks for 100%"]


def test_one_text_twice_stands_on_no_sheet_and_is_a_tie(tmp_path: Path) -> None:
    pairs = [pair(0), pair(1, output="The very same.", opponent_output="The very same.")]
    assert write_sheet(tmp_path / "out.csv", pairs) == 1
    (shown,) = shown_pairs(pairs)
    ratings = [Rating("out.csv, line 2", shown.ticket, "ann", "equal")]
    found = as_judgments(ratings, pairs, source="friends", pseudonym=lambda who: who)
    assert [(row.rater, row.outcome, row.order) for row in found.judgments][1:] == [(NOBODY, "tie", "none")]
    assert (found.num_checks, found.num_doubled) == (0, 0)
    assert as_judgments([], pairs, source="friends", pseudonym=lambda who: who).judgments == ()
