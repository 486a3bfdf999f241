"""The steps of the placebo box: arms, reasons, the log, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.contracts import bind
from components.contracts.errors import TouchstoneError
from components.contracts.ports import Input, write_rows
from components.contracts.preference_rows import Alteration
from components.contracts.rows import Completion, Prompt, Request
from components.placebo.alterations import Change, apply, replay, without_overlap
from components.placebo.step import EXAMPLES_CUT, NO_WORDS, NOTHING_TO_CORRUPT, make_placebos, prepare_stylistic
from components.placebo.stylistic import shipped_examples, stylistic_prompt, target_examples

ARMS = ("restyled_base", "stylistic_base", "corrupted_target", "constant")
BASE = {"p1": "It has ten rooms. It is old. It is dear.", "p2": "Yes.", "p3": " ", "p9": "Nobody asked."}
TARGET = {
    "p1": "It has 12 rooms:\n\n- one\n- two",
    "p2": "Hello!",
    "p3": "It opened in 1937.",
    "p4": "It has 30 rooms.",
}


def _write(path: Path, model: str, texts: dict[str, str], *, prompt: str = "How is {}?") -> Path:
    rows = [Completion(prompt_id=key, model=model, prompt=prompt.format(key), text=text) for key, text in texts.items()]
    write_rows(path, Completion, rows)
    return path


def _make(
    tmp_path: Path,
    base: dict[str, str] = BASE,
    target: dict[str, str] = TARGET,
    stylistic: dict[str, str] | None = None,
    name: str = "out",
    **params: object,
) -> dict[str, dict[str, Completion]]:
    ports = {
        "base": _write(tmp_path / name / "base", "b", base),
        "target": _write(tmp_path / name / "target", "t", target),
    }
    if stylistic is not None:
        ports["stylistic"] = _write(tmp_path / name / "stylistic", "b", stylistic, prompt="examples and {}")
    outputs = {arm: tmp_path / name / arm for arm in (*ARMS, "alterations")}
    bind.call(make_placebos, params=params, **ports, **outputs)
    return {arm: {row.prompt_id: row for row in Input(outputs[arm], Completion).rows()} for arm in ARMS}


def _log(tmp_path: Path, name: str = "out") -> list[Alteration]:
    return Input(tmp_path / name / "alterations", Alteration).rows()


def test_every_arm_answers_the_targets_prompts_under_its_own_name(tmp_path: Path) -> None:
    made = _make(tmp_path)
    assert {arm: list(rows) for arm, rows in made.items()} == {
        "restyled_base": ["p1", "p2", "p3"],
        "stylistic_base": [],
        "corrupted_target": ["p1", "p2", "p3", "p4"],
        "constant": ["p1", "p2", "p3", "p4"],
    }
    for arm, rows in made.items():
        assert {row.model for row in rows.values()} <= {f"placebo:{arm}"}
        assert all(row.prompt == f"How is {key}?" for key, row in rows.items())
    assert len({row.text for row in made["constant"].values()}) == 1


def test_what_cannot_be_made_is_a_row_with_its_reason(tmp_path: Path) -> None:
    made = _make(tmp_path)
    assert made["corrupted_target"]["p2"].unanswered == NOTHING_TO_CORRUPT
    assert made["restyled_base"]["p3"].unanswered == NO_WORDS
    assert made["corrupted_target"]["p2"].text == ""
    assert {row.prompt_id for row in _log(tmp_path) if row.arm == "corrupted_target"} == {"p1", "p3", "p4"}


def test_the_log_makes_the_placebo_of_the_original_again(tmp_path: Path) -> None:
    made = _make(tmp_path)
    log = _log(tmp_path)
    for arm, originals in (("restyled_base", BASE), ("corrupted_target", TARGET)):
        for key, row in made[arm].items():
            if row.unanswered is None:
                assert replay(originals[key], [e for e in log if (e.arm, e.prompt_id) == (arm, key)]) == row.text
                assert row.text != originals[key]
    for entry in log:
        original = (BASE if entry.arm == "restyled_base" else TARGET)[entry.prompt_id]
        assert original[entry.begin : entry.begin + len(entry.before)] == entry.before


def test_the_same_seed_makes_the_same_and_neighbours_do_not_matter(tmp_path: Path) -> None:
    first = _make(tmp_path, name="a")
    again = _make(tmp_path, name="b", base=dict(reversed(BASE.items())), target=dict(reversed(TARGET.items())))
    other = _make(tmp_path, name="c", seed=1)
    for arm in ARMS:
        assert {key: row.text for key, row in first[arm].items()} == {key: row.text for key, row in again[arm].items()}
    assert first["corrupted_target"] != other["corrupted_target"]


def test_the_base_wears_what_the_target_wears_or_everything(tmp_path: Path) -> None:
    plain = _make(tmp_path, name="a")["restyled_base"]
    full = _make(tmp_path, name="b", dress="full")["restyled_base"]
    assert "\n\n- It is old." in plain["p1"].text
    assert "##" not in plain["p1"].text
    assert "## " in full["p1"].text
    assert "1. **It is old**" in full["p1"].text


def test_answers_written_after_examples_lose_the_examples(tmp_path: Path) -> None:
    made = _make(tmp_path, stylistic={"p1": "\n Certainly! Ten. ", "p2": " ", "p8": "?"})["stylistic_base"]
    assert made["p1"].text == "Certainly! Ten."
    assert made["p1"].prompt == "How is p1?"
    assert made["p2"].unanswered == NO_WORDS
    assert set(made) == {"p1", "p2"}


def test_an_answer_whose_examples_were_cut_off_is_no_placebo(tmp_path: Path) -> None:
    asked = [
        Completion(prompt_id="p1", model="b", text="Ten.", cut_tokens=7),
        Completion(prompt_id="p3", model="b", text="Old."),
    ]
    write_rows(tmp_path / "stylistic", Completion, asked)
    ports = {"base": _write(tmp_path / "b", "b", BASE), "target": _write(tmp_path / "t", "t", TARGET)}
    outputs = {arm: tmp_path / arm for arm in (*ARMS, "alterations")}
    bind.call(make_placebos, params={}, **ports, stylistic=tmp_path / "stylistic", **outputs)
    cut, whole = Input(tmp_path / "stylistic_base", Completion).rows()
    assert (cut.text, cut.unanswered) == ("", EXAMPLES_CUT)
    assert (whole.text, whole.unanswered) == ("Old.", None)


def test_an_unanswered_original_stays_unanswered(tmp_path: Path) -> None:
    write_rows(tmp_path / "target", Completion, [Completion(prompt_id="p1", model="t", text="", unanswered="refused")])
    base = _write(tmp_path / "base", "b", BASE)
    outputs = {arm: tmp_path / arm for arm in (*ARMS, "alterations")}
    bind.call(make_placebos, params={}, base=base, target=tmp_path / "target", **outputs)
    (row,) = Input(tmp_path / "corrupted_target", Completion).rows()
    assert (row.text, row.unanswered) == ("", "refused")


def test_a_constant_of_ones_own(tmp_path: Path) -> None:
    assert _make(tmp_path, constant="It depends.")["constant"]["p4"].text == "It depends."


def test_strangers_and_repeated_answers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TouchstoneError, match="have no prompt in common"):
        _make(tmp_path, base={"q": "a"})
    twice = [Completion(prompt_id="p1", model="t", text=text) for text in ("a", "b")]
    write_rows(tmp_path / "twice", Completion, twice)
    outputs = {arm: tmp_path / arm for arm in (*ARMS, "alterations")}
    with pytest.raises(TouchstoneError, match="answers prompt p1 twice"):
        bind.call(
            make_placebos, params={}, base=_write(tmp_path / "b", "b", BASE), target=tmp_path / "twice", **outputs
        )


def _requests(tmp_path: Path, *texts: str, **params: object) -> list[Request]:
    write_rows(tmp_path / "prompts", Prompt, [Prompt(id=f"p{i}", text=text) for i, text in enumerate(texts)])
    bind.call(prepare_stylistic, params=params, prompts=tmp_path / "prompts", requests=tmp_path / "requests")
    return Input(tmp_path / "requests", Request).rows()


def test_prompts_follow_three_worked_examples(tmp_path: Path) -> None:
    first, second = _requests(tmp_path, "Why is the sky blue?", "Who was Bach?")
    assert (first.id, second.id) == ("p0", "p1")
    assert first.prompt.endswith("\n\nQuestion: Why is the sky blue?\nAnswer:")
    assert first.prompt.count("Question:") == 4
    assert first.stop == ("\nQuestion:",)
    assert first.seed != second.seed
    # The same examples, so that an engine reads them once.
    shared = first.prompt.index("Why is")
    assert second.prompt[:shared] == first.prompt[:shared]


def test_an_example_is_not_shown_before_a_prompt_on_its_subject(tmp_path: Path) -> None:
    (request,) = _requests(tmp_path, "How do I fold a paper napkin, and water the plant on my desk?", num_examples=3)
    for example in shipped_examples():
        touches = bool(example.about & {"napkin", "fold", "plant", "water", "desk"})
        assert (example.question in request.prompt) is not touches


SUBJECTS = ("bread", "bridges", "comets", "drums", "eagles", "foxes", "glass", "honey", "ivory", "jade")


def _told(subject: str, text: str, **more: object) -> Completion:
    row = {"prompt_id": subject, "model": "t", "prompt": f"Please tell me all about {subject}", "text": text, **more}
    return Completion.model_validate(row)


def _dressed(subject: str, **more: object) -> Completion:
    return _told(subject, f"Sure:\n\n- {subject}\n- more\n\nOverall, {subject}.", **more)


def test_examples_of_the_target_come_from_prompts_that_are_not_asked(tmp_path: Path) -> None:
    write_rows(tmp_path / "target", Completion, [_dressed(subject) for subject in SUBJECTS])
    prompts = [Prompt(id=subject, text=f"Please tell me all about {subject}") for subject in SUBJECTS]
    write_rows(tmp_path / "prompts", Prompt, prompts)
    ports = {"prompts": tmp_path / "prompts", "target": tmp_path / "target", "requests": tmp_path / "requests"}
    bind.call(prepare_stylistic, params={"num_examples": 2}, **ports)
    asked = Input(tmp_path / "requests", Request)
    shown = {subject for row in asked.rows() for subject in SUBJECTS if f"- {subject}\n" in row.prompt}
    assert len(asked.rows()) == 5
    assert not shown & {row.id for row in asked.rows()}
    assert shown < set(asked.manifest.notes["examples"])  # type: ignore[call-overload]
    assert all(row.prompt.count("Overall,") == 2 for row in asked.rows())


def test_whole_short_and_fully_dressed_answers_are_shown_first() -> None:
    rows = [
        _told("bread", "Plain."),
        _dressed("bridges", finish="length"),
        _told("comets", "- one\n- two"),
        _dressed("drums"),
        _told("eagles", "", unanswered="refused"),
        _told("foxes", "Sure:\n\n- far\n- longer " + "and longer " * 20 + "\n\nOverall."),
        _told("glass", "Sure."),
    ]
    found = target_examples(rows, 3, longest=100)
    assert [example.prompt_id for example in found] == ["drums", "comets", "glass"]
    assert [example.prompt_id for example in target_examples(rows, 3, longest=1000)] == ["drums", "foxes", "comets"]


def test_each_example_is_on_a_subject_of_its_own_and_gives_way_to_a_prompt_on_it() -> None:
    rows = [_dressed(subject) for subject in SUBJECTS]
    rows += [row.model_copy(update={"prompt_id": f"{row.prompt_id}-again"}) for row in rows[:3]]
    known = target_examples(rows, 1, longest=1000)
    assert len({frozenset(example.about) for example in known}) == len(known) == 4
    first = stylistic_prompt("Tell me about something else", known, 1)
    second = stylistic_prompt(f"Tell me about {known[0].prompt_id}", known, 1)
    assert known[0].answer in first
    assert known[0].answer not in second
    assert known[1].answer in second


def test_a_target_with_one_answer_gives_no_example(tmp_path: Path) -> None:
    write_rows(tmp_path / "target", Completion, [_dressed("bread")])
    write_rows(tmp_path / "prompts", Prompt, [Prompt(id="bread", text="What is bread?")])
    ports = {"prompts": tmp_path / "prompts", "target": tmp_path / "target", "requests": tmp_path / "requests"}
    with pytest.raises(TouchstoneError, match="no answer to show before another prompt"):
        bind.call(prepare_stylistic, params={}, **ports)


def test_each_example_names_its_subject() -> None:
    for example in shipped_examples():
        words = {word.strip("?").lower() for word in example.question.split()}
        assert example.about & words, example.question


def test_changes_that_meet_an_earlier_one_or_a_taken_place_are_dropped() -> None:
    text = "0123456789"
    changes = [
        Change(4, 6, "a", "x"),
        Change(5, 7, "b", "y"),
        Change(1, 3, "c", "z"),
        Change(8, 8, "d", "!"),
        Change(1, 1, "e", "?"),
    ]
    kept = without_overlap(changes, [(0, 2)])
    assert [change.rule for change in kept] == ["a", "d"]
    assert apply(text, kept) == "0123x67!89"
