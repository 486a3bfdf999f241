"""The data-quality gate: a real Great Expectations suite, failing rows named, warnings let through."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from components.contracts import bind, manifest
from components.contracts.errors import GateNotPassed
from components.contracts.ports import Input, write_rows
from components.contracts.rows import Dialogue, GateCheck, Prompt, TaskItem, Turn
from components.validate.gate import hold
from components.validate.step import validate
from components.validate.suite import Expectation, Params, expectations
from components.validate.table import heldout_texts, tabulate

# Great Expectations imports `sre_constants` and `sre_parse`, which Python 3.11 calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_(constants|parse)' is deprecated:DeprecationWarning")


def _dialogue(name: str, query: str, reply: str = "", *, target: str = "t", turns: str = "ua") -> Dialogue:
    texts = {"u": query, "a": reply or f"The reply to {name} is plain.", "s": "Be brief."}
    speakers = {"u": "user", "a": "assistant", "s": "system"}
    made = tuple(Turn.model_validate({"speaker": speakers[turn], "text": texts[turn]}) for turn in turns)
    return Dialogue(id=name, source="src", target=target, turns=made)


GOOD = [_dialogue(f"d{n:02}", f"what is thing number {n}") for n in range(40)]
ITEM = TaskItem(id="q1", benchmark="b", kind="exact_match", question="Who wrote it?", answers=("x",), cluster="q1")
SHOT = ITEM.model_copy(update={"id": "q2", "question": "Worked example?", "split": "shots"})
HELDOUT = Prompt(id="h1", text="Write a poem.")


def _run(tmp_path: Path, data: list[Dialogue], **params: object) -> bind.Outcome:
    write_rows(tmp_path / "dialogues", Dialogue, data)
    write_rows(tmp_path / "items", TaskItem, [ITEM, SHOT])
    write_rows(tmp_path / "heldout", Prompt, [HELDOUT])
    names = ("dialogues", "items", "heldout", "checked", "checks", "docs")
    return bind.call(validate, params=params, **{name: tmp_path / name for name in names})


def test_good_data_pass_unchanged_with_every_check_on_record(tmp_path: Path) -> None:
    outcome = _run(tmp_path, GOOD)
    assert Input(tmp_path / "checked", Dialogue).rows() == GOOD
    checks = Input(tmp_path / "checks", GateCheck).rows()
    assert [check.name for check in checks] == [expected.words for expected in expectations(Params())]
    assert all(check.passed for check in checks)
    assert outcome.metrics["dialogues"] == 40
    assert outcome.metrics["warnings"] == 0


@pytest.mark.parametrize(
    ("bad", "check", "failing"),
    [
        ([_dialogue("x", "Thing?"), _dialogue("y", " thing ")], "repeat another dialogue's queries", ("y",)),
        ([_dialogue("x", "who wrote it")], "repeat a held-out prompt or test question", ("x",)),
        ([_dialogue("x", "WRITE a poem")], "repeat a held-out prompt or test question", ("x",)),
        ([_dialogue("x", "hi", turns="au")], "alternate", ("x",)),
        ([_dialogue("x", "hi", turns="u")], "alternate", ("x",)),
        ([_dialogue("x", "hi", turns="uua")], "alternate", ("x",)),
        ([_dialogue("x", "hi", turns="")], "alternate", ("x",)),
        ([_dialogue("x", "hi", " \n")], "no turn is empty", ("x",)),
        ([_dialogue("x", "hi", target="")], "names the target", ("x",)),
        ([_dialogue("d00", "another question")], "every id is used once", ("d00",)),
    ],
)
def test_bad_data_close_the_gate_and_are_named(
    tmp_path: Path, bad: list[Dialogue], check: str, failing: tuple[str, ...]
) -> None:
    with pytest.raises(GateNotPassed, match=re.escape(check)) as caught:
        _run(tmp_path, GOOD + bad, max_duplicate_share=0.0)
    assert caught.value.exit_code == 3
    assert all(name in caught.value.found for name in failing)
    # The checks are written before the gate closes; the data are not.
    found = next(row for row in Input(tmp_path / "checks", GateCheck).rows() if check in row.name)
    assert (found.passed, found.severity, found.failing) == (False, "error", failing)
    assert "x" in (tmp_path / "docs" / "index.html").read_text()
    assert not (tmp_path / "checked" / manifest.FILE_NAME).exists()


def test_every_failed_expectation_is_in_the_message(tmp_path: Path) -> None:
    with pytest.raises(GateNotPassed, match=r"2 of the gate's expectations failed on 3 dialogues") as caught:
        _run(tmp_path, [_dialogue("x", "who wrote it"), *GOOD[:2]])
    assert "at least 20 dialogues: 3" in caught.value.found
    assert "1 of 3 dialogues do not comply (33.3%)" in caught.value.found
    assert "index.html" in caught.value.remedy


@pytest.mark.parametrize(
    ("bad", "params", "check"),
    [
        (
            [_dialogue(f"g{n}", f"frage {n}", "Das ist nicht die Antwort und auch nicht die Frage.") for n in range(9)],
            {},
            "English",
        ),
        ([_dialogue("x", "hi", "word " * 30)], {"max_reply_words": 20}, "reply words"),
        ([_dialogue("x", "hi", target="another")], {}, "one target"),
        ([], {"min_distinct_replies": 1.0}, "distinct"),
    ],
)
def test_warnings_pass_and_are_kept(tmp_path: Path, bad: list[Dialogue], params: dict[str, object], check: str) -> None:
    data = GOOD + bad + [_dialogue("z1", "first", "same"), _dialogue("z2", "second", "same")]
    outcome = _run(tmp_path, data, **params)
    warned = [row for row in Input(tmp_path / "checks", GateCheck).rows() if not row.passed]
    assert [row.severity for row in warned] == ["warning"]
    assert check in warned[0].name
    assert outcome.metrics["warnings"] == 1


def test_thresholds_let_a_share_through(tmp_path: Path) -> None:
    copies = [_dialogue("x", "what is thing number 1"), _dialogue("y", "Who wrote it?")]
    with pytest.raises(GateNotPassed):
        _run(tmp_path, GOOD + copies)
    assert _run(tmp_path, GOOD + copies, max_duplicate_share=0.03, max_leaked_share=0.03).metrics["dialogues"] == 42


def test_worked_examples_may_be_repeated_and_a_system_turn_may_open(tmp_path: Path) -> None:
    extra = [_dialogue("x", SHOT.question), _dialogue("y", "Be quick", turns="sua"), _dialogue("z", "hi", turns="uaua")]
    assert _run(tmp_path, GOOD + extra).metrics["warnings"] == 0


def test_at_most_twenty_failing_ids_are_listed(tmp_path: Path) -> None:
    with pytest.raises(GateNotPassed):
        _run(tmp_path, [_dialogue(f"x{n:02}", "the same") for n in range(60)])
    found = next(row for row in Input(tmp_path / "checks", GateCheck).rows() if "repeat another" in row.name)
    assert found.observed == "59 of 60 dialogues do not comply (98.3%)"
    assert len(found.failing) == 20


def test_an_empty_data_set_does_not_pass(tmp_path: Path) -> None:
    with pytest.raises(GateNotPassed, match="at least 20 dialogues: 0"):
        _run(tmp_path, [])


def test_equal_runs_give_equal_bytes_and_name_no_machine_path(tmp_path: Path) -> None:
    documents = []
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        _run(tmp_path / str(number), GOOD)
        documents.append((tmp_path / str(number) / "docs" / "validation_result.json").read_bytes())
    assert documents[0] == documents[1]
    result = json.loads(documents[0])
    assert result["statistics"]["evaluated_expectations"] == len(expectations(Params()))
    assert str(Path.home()) not in documents[0].decode()


def test_the_page_escapes_ids_and_loads_nothing(tmp_path: Path) -> None:
    with pytest.raises(GateNotPassed):
        _run(tmp_path, [*GOOD, _dialogue("<script>alert(1)</script>", "who wrote it")])
    page = (tmp_path / "docs" / "index.html").read_text()
    assert "<script>" not in page
    assert "http" not in page


def test_a_suite_that_names_a_missing_column_fails_and_says_so() -> None:
    facts = tabulate(GOOD, heldout_texts([], []))
    suite = [Expectation("a column nobody has", "ExpectColumnValuesToBeUnique", "warning", {"column": "nobody"})]
    check = hold(facts, suite).checks[0]
    assert not check.passed
    assert check.severity == "error"
    assert "nobody" in check.observed


def test_no_duplicate_moves_with_the_order_of_the_file() -> None:
    data = [_dialogue("b", "same"), _dialogue("a", "same"), _dialogue("c", "other")]
    for order in (data, data[::-1]):
        assert {row.id for row in tabulate(order, {}) if row.is_duplicate} == {"b"}


@pytest.mark.parametrize("name", ["english.py", "data/function_words.txt"])
def test_style_and_validate_mean_the_same_by_english(name: str) -> None:
    # Boxes never import each other; until the rule moves into contracts the two copies are held equal here.
    boxes = Path(__file__).parents[3] / "components"
    assert (boxes / "validate" / name).read_bytes() == (boxes / "style" / name).read_bytes()


@pytest.mark.parametrize("text", ["Who  wrote\nit?", "ﬁne", "x+y", "C++ !", "résumé", "", " ... ", "HI?!"])
def test_ingest_and_validate_mean_the_same_by_an_equal_query(text: str) -> None:
    from components.ingest.queries import normalise_query
    from components.validate.table import normalise

    rules: tuple[Callable[[str], str], ...] = (normalise, normalise_query)
    assert rules[0](text) == rules[1](text)
