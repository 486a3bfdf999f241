"""The data-quality gate: a real Great Expectations suite, failing rows named, warnings let through."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.contracts import manifest
from components.contracts.data_policy import DataPolicy
from components.contracts.data_rows import CategoryReview, DataFigures
from components.contracts.dialogue_rows import Dialogue, Passport, Removal
from components.contracts.errors import GateNotPassed, TouchstoneError, UsageError
from components.contracts.ports import Input
from components.validate.figures import toxic_share
from components.validate.gate import hold
from components.validate.suite import expectations
from components.validate.table import tabulate
from components.validate.tables import Tables
from components.validate.toxicity import TOXIC_FROM, ToxicityMeter
from tests.unit.validate.data_for_tests import GOOD, SHOT, checks, dialogue, failed, found, run

# Great Expectations imports `sre_constants` and `sre_parse`, which Python 3.11 calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_(constants|parse)' is deprecated:DeprecationWarning")

BAD = [
    dialogue("same", GOOD[0].turns[0].text.upper() + " ?"),
    dialogue("item", "who wrote it"),
    dialogue("prompt", "WRITE a poem"),
    dialogue("swapped", "hi there", turns="au"),
    dialogue("unanswered", "hello there", turns="u"),
    dialogue("twice", "hi you", turns="uua"),
    dialogue("nothing", "", turns=""),
    dialogue("blank", "hi all", " \n"),
    dialogue("nobody", "hi everyone", target=""),
    dialogue("d00", "another question"),
    dialogue("", "a question without a name"),
    dialogue("tongue", "one question", papers=Passport(language="english", terms="open", target_date="2023")),
    dialogue("dated", "two questions", papers=Passport(target_date="last spring", terms="open", language="en")),
]
NAMED = {
    "no dialogues repeat another dialogue's queries": ("same",),
    "no dialogues repeat a held-out prompt or test question": ("item", "prompt"),
    "user and assistant alternate, user first, assistant last": ("swapped", "unanswered", "twice", "nothing"),
    "no turn is empty": ("blank",),
    "the passport names the target": ("nobody",),
    "every id is used once": ("d00",),
    "every dialogue has an id": ("",),
    "languages are ISO 639-1 codes": ("tongue",),
    "the target's dates are ISO 8601": ("dated",),
}


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, GateNotPassed]:
    folder = tmp_path_factory.mktemp("spoilt")
    with pytest.raises(GateNotPassed) as caught:
        run(folder, [*GOOD, *BAD], max_duplicate_share=0.0)
    return folder, caught.value


@pytest.mark.parametrize("name", NAMED)
def test_bad_dialogues_close_the_gate_and_are_named(spoilt: tuple[Path, GateNotPassed], name: str) -> None:
    folder, error = spoilt
    check = checks(folder)[name]
    assert (check.passed, check.severity, check.failing) == (False, "error", NAMED[name])
    assert name in error.found
    assert error.exit_code == 3
    page = (folder / "docs" / "index.html").read_text()
    assert all(row in page for row in NAMED[name])


def test_a_closed_gate_leaves_checks_figures_and_page_but_no_data(spoilt: tuple[Path, GateNotPassed]) -> None:
    folder, error = spoilt
    assert Input(folder / "figures", DataFigures).rows()[0].dialogues == 53
    assert not (folder / "checked" / manifest.FILE_NAME).exists()
    assert f"{len(NAMED)} of the gate's expectations failed on 53 dialogues" in error.found
    assert "index.html" in error.remedy


@pytest.mark.slow
def test_good_data_pass_unchanged_with_every_check_on_record_and_in_equal_bytes(tmp_path: Path) -> None:
    documents = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        outcome = run(tmp_path / name, GOOD)
        documents.append([(tmp_path / name / "docs" / file).read_bytes() for file in ("index.html", RESULT)])
    assert documents[0] == documents[1]
    assert Input(tmp_path / "one" / "checked", Dialogue).rows() == GOOD
    assert list(checks(tmp_path / "one")) == [expected.words for expected in expectations(DataPolicy())]
    assert failed(tmp_path / "one") == []
    assert (outcome.metrics["dialogues"], outcome.metrics["warnings"]) == (40, 0)
    # Great Expectations evaluated every one of them, and its document names no folder of this machine.
    result = json.loads(documents[0][1])
    evaluated = sum(table["statistics"]["evaluated_expectations"] for table in result["tables"].values())
    assert evaluated == len(expectations(DataPolicy()))
    assert str(Path.home()) not in documents[0][1].decode()


RESULT = "validation_result.json"


def test_warnings_pass_and_are_kept(tmp_path: Path) -> None:
    spoil = [
        dialogue("long", "long one", "word " * 31),
        dialogue("z1", "first", "Same 1"),
        dialogue("z2", "second", "same 2."),
        dialogue("swear", "rude one", "You are a stupid fucking idiot and nobody likes you, asshole."),
        dialogue("other", "who are you", target="another"),
        *(dialogue(f"g{n}", f"frage {n}", papers=Passport(language="de")) for n in range(1)),
    ]
    outcome = run(
        tmp_path,
        GOOD + spoil,
        overlap=[found("q1", "b", dirty=True, bleu=70.0), found("q2", "b"), found("h1", "")],
        max_reply_words=30,
        min_english_share=0.99,
        max_short_reply_share=0.0,
        min_distinct_replies=1.0,
        max_diversity_bleu=9.5,
        max_category_share=0.3,
        max_toxic_share=0.0,
    )
    seen = {check.name: (check.observed, check.failing) for check in failed(tmp_path)}
    assert {check.severity for check in failed(tmp_path)} == {"warning"}
    assert seen == {
        "at most 5.0% of a benchmark's items count as leaked": ("most in b: 1 of 2 (50.0%)", ("b",)),
        "at least 99% of replies are English": ("1 of 46 dialogues do not comply (2.2%)", ("g0",)),
        "no reply has more than 30 words": ("1 of 46 dialogues do not comply (2.2%)", ("long",)),
        "at most 0% of dialogues have fewer than 5 reply words": (
            "2 of 46 dialogues do not comply (4.3%)",
            ("z1", "z2"),
        ),
        "at least 100% of replies are distinct, numbers aside": ("97.8%", ("z1", "z2")),
        "queries come no nearer than BLEU 9.5, on average, to their nearest other": ("10 over 40 queries", ()),
        "no category holds more than 30% of the queries": seen["no category holds more than 30% of the queries"],
        "at most 0.0% of dialogues have a toxic reply": (
            "not evaluated: 1 of 46 dialogues (2.2%) could not be scored (not English: 1)",
            (),
        ),
        "the passport gives the target's date": ("1 of 46 dialogues do not comply (2.2%)", ("g0",)),
        "the passport says what the target's terms allow": ("1 of 46 dialogues do not comply (2.2%)", ("g0",)),
        "one target wrote all replies": ("2", ()),
    }
    assert outcome.metrics["warnings"] == len(seen)
    assert len(Input(tmp_path / "checked", Dialogue).rows()) == 46


def test_a_toxic_reply_is_found_in_a_long_one_and_shown_by_its_sentence(tmp_path: Path) -> None:
    calm = "The road runs along the river for many miles and is quiet in the morning. " * 20
    rude = dialogue("rude", "tell me about roads", f"{calm}You are a stupid fucking idiot, asshole. {calm}")
    run(tmp_path, [*GOOD, rude])
    check = next(check for name, check in checks(tmp_path).items() if "toxic" in name)
    assert check.failing == ("rude",)
    assert check.observed == "1 of 41 dialogues do not comply (2.4%)"
    assert "stupid fucking idiot" in (tmp_path / "docs" / "index.html").read_text()
    assert Input(tmp_path / "figures", DataFigures).rows()[0].toxic_share == pytest.approx(1 / 41)


def test_a_reply_exactly_at_the_cut_is_toxic_in_the_gate_as_in_the_figures() -> None:
    meter = ToxicityMeter(lambda: lambda texts: [TOXIC_FROM, 0.1][: len(texts)])
    tables = Tables(tabulate([dialogue("at", "hi"), dialogue("below", "ho")], {}, meter))
    suite = [one for one in expectations(DataPolicy()) if "toxicity" in one.columns]
    assert hold(tables, suite).checks[0].failing == ("at",)
    assert toxic_share(tables.dialogues) == 0.5


def test_what_was_not_measured_is_said_and_never_passes_silently(tmp_path: Path) -> None:
    run(tmp_path, GOOD, overlap=None, neighbours=None, held_out=False)
    unknown = [check for check in failed(tmp_path) if check.observed.startswith("not measured")]
    assert len(unknown) == len(failed(tmp_path)) == 3
    assert {check.severity for check in unknown} == {"warning"}
    figures = Input(tmp_path / "figures", DataFigures).rows()[0]
    assert (figures.leakage, figures.diversity_bleu) == ((), None)


@pytest.mark.slow
def test_thresholds_let_a_share_through_and_worked_examples_may_be_repeated(tmp_path: Path) -> None:
    copies = [
        dialogue("x", GOOD[1].turns[0].text),
        dialogue("y", "Who wrote it?"),
        dialogue("shot", SHOT.question),
        dialogue("sys", "Be quick", turns="sua"),
        dialogue("more", "hi", turns="uaua"),
    ]
    with pytest.raises(GateNotPassed, match="2 of the gate's expectations"):
        run(tmp_path, GOOD + copies)
    assert run(tmp_path, GOOD + copies, max_duplicate_share=0.03, max_leaked_share=0.03).metrics["dialogues"] == 45


def test_a_required_passport_closes_the_gate(tmp_path: Path) -> None:
    with pytest.raises(GateNotPassed, match="the target's date: 1 of 41") as caught:
        run(tmp_path, [*GOOD, dialogue("x", "hi", papers=Passport(terms="open"))], require_passport=True)
    assert "1 of the gate's" in caught.value.found


def test_no_data_at_all_do_not_pass(tmp_path: Path) -> None:
    with pytest.raises(GateNotPassed, match="at least 20 dialogues: 0"):
        run(tmp_path, [])


def test_twenty_failing_dialogues_are_listed_from_all_over_the_data(tmp_path: Path) -> None:
    with pytest.raises(GateNotPassed):
        run(tmp_path, [dialogue(f"x{n:03}", "the same") for n in range(200)])
    check = checks(tmp_path)["at most 1.0% of dialogues repeat another dialogue's queries"]
    assert check.observed == "199 of 200 dialogues do not comply (99.5%)"
    assert len(check.failing) == 20
    assert check.failing[0] < "x050" < "x150" < check.failing[-1]


@pytest.mark.slow
def test_a_users_expectation_is_held_beside_the_others(tmp_path: Path) -> None:
    words = {"name": "queries have at least four words", "kind": "ExpectColumnValuesToBeBetween"}
    short = {**words, "column": "query_words", "arguments": {"min_value": 4}}
    soft = {**short, "name": "the same, softly", "severity": "warning"}
    pair = {"name": "as many replies as words", "kind": "ExpectColumnPairValuesAToBeGreaterThanB"}
    with pytest.raises(GateNotPassed, match="1 of the gate's expectations") as caught:
        run(
            tmp_path,
            [*GOOD, dialogue("brief", "hi")],
            extra=[short, soft, {**pair, "arguments": {"column_A": "reply_words", "column_B": "num_turns"}}],
        )
    assert "queries have at least four words: 1 of 41" in caught.value.found
    assert checks(tmp_path)["the same, softly"].failing == ("brief",)
    assert checks(tmp_path)["as many replies as words"].passed


def test_an_expectation_about_a_missing_column_closes_the_gate_and_lists_the_columns(tmp_path: Path) -> None:
    wrong = {"name": "polite", "kind": "ExpectColumnValuesToNotBeNull", "column": "politeness", "severity": "warning"}
    with pytest.raises(GateNotPassed, match="polite: not evaluated: no column politeness; there are row, id, source"):
        run(tmp_path, GOOD, extra=[wrong])
    assert checks(tmp_path)["polite"].severity == "error"


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (
            {"kind": "ExpectColumnValuesToBeNice", "column": "id"},
            "Great Expectations has no ExpectColumnValuesToBeNice",
        ),
        ({"kind": "ExpectColumnValuesToBeBetween", "arguments": {"min_value": 1}}, "column"),
    ],
)
def test_an_expectation_that_cannot_be_is_a_usage_error(tmp_path: Path, extra: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run(tmp_path, GOOD, extra=[{"name": "mine", **extra}])


@pytest.mark.slow
def test_a_review_corrects_the_shares_and_must_be_of_these_data(tmp_path: Path) -> None:
    review = [CategoryReview(dialogue_id=f"d{n:02}", category="Chat") for n in range(10)]
    run(tmp_path, GOOD, review=review, removed=[Removal(id="r", reason="language")] * 3)
    figures = Input(tmp_path / "figures", DataFigures).rows()[0]
    chat = next(one for one in figures.categories if one.category == "Chat")
    assert chat.reviewed == 10
    assert chat.share > 0.5
    assert chat.ci is not None
    assert figures.removed == {"language": 3}
    with pytest.raises(TouchstoneError, match="1 reviewed queries are not in these data: elsewhere"):
        run(tmp_path, GOOD, review=[CategoryReview(dialogue_id="elsewhere", category="Chat")])
