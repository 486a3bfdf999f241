"""Pairs in both orders, and what the judge's replies to them amount to."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from components.contracts import bind
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.evidence_rows import Judgment
from components.contracts.ports import Input, Output
from components.contracts.rows import Completion, Request
from components.judge.rows import JudgeReply, VerdictPair
from components.judge.step import prepare_verdicts, read_verdicts

JUDGE = {"judge": "judge-2024-05-13"}
OURS = {"1": "short", "2": "one two", "3": "", "4": "x" * 50, "5": "only ours"}
THEIRS = {"1": "a longer answer", "2": "one  two\n", "3": "something", "4": "y", "6": "only theirs"}
Says = Callable[[str, str], str]
"""Answers shown first and second -> the judge's reply."""


def put(folder: Path, port: str, models: Mapping[str, Mapping[str, str]], **changes: Any) -> Path:
    rows = [
        Completion(prompt_id=k, model=model, prompt=f"question {k}", text=text, **changes)
        for model, texts in models.items()
        for k, text in texts.items()
    ]
    Output(folder / port, Completion).write(rows)
    return folder / port


def prepared(folder: Path, *, params: Mapping[str, Any] = JUDGE, **ports: Path) -> bind.Outcome:
    given = {"candidate": folder / "candidate", "reference": folder / "reference", **ports}
    return bind.call(prepare_verdicts, params=params, **given, requests=folder / "requests", pairs=folder / "pairs")


def shown(request: Request) -> tuple[str, str]:
    """The two answers in a question, in its order."""
    mark = request.prompt.partition("----- ")[2].partition(":")[0]
    parts = request.prompt.split(f"----- {mark}: ")
    return parts[2].partition("\n")[2].strip(), parts[3].partition("\n")[2].strip()


def judged(folder: Path, says: Says, *, params: Mapping[str, Any] = JUDGE) -> dict[tuple[str, str], Judgment]:
    """(prompt, order) -> judgment, by a judge that sees what stands in the question and no more."""
    asked = Input(folder / "requests", Request).rows()
    Output(folder / "completions", Completion).write(
        Completion(prompt_id=r.id, model="judge", text=says(*shown(r)), finish="stop") for r in asked
    )
    bind.call(
        read_verdicts,
        params={key: params[key] for key in params if key in {"judge", "template"}},
        **{name: folder / name for name in ("pairs", "completions", "judgments", "replies")},
    )
    rows = Input(folder / "judgments", Judgment).rows()
    return {(row.prompt_id, row.order): row for row in rows}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    put(tmp_path, "candidate", {"ours": OURS})
    put(tmp_path, "reference", {"theirs": THEIRS})
    return tmp_path


def longer(first: str, second: str) -> str:
    return f"Verdict: {'A' if len(first) > len(second) else 'B'}"


def test_a_judge_that_looks_at_the_answers_says_the_same_in_both_orders(folder: Path) -> None:
    prepared(folder)
    rows = judged(folder, longer)
    assert rows["1", "model_first"].outcome == rows["1", "opponent_first"].outcome == "loss"
    assert rows["4", "model_first"].outcome == rows["4", "opponent_first"].outcome == "win"
    assert {row.source for row in rows.values()} == {"judge-2024-05-13 (pairwise 1)"}


def test_an_empty_answer_is_an_answer_and_the_judge_is_told_so(folder: Path) -> None:
    prepared(folder)
    rows = judged(folder, lambda first, second: f"Verdict: {'B' if first == '(no text)' else 'A'}")
    assert (rows["3", "model_first"].outcome, rows["3", "opponent_first"].outcome) == ("loss", "loss")


def test_a_judge_that_always_says_a_flips_on_every_pair_and_is_warned_of(folder: Path) -> None:
    prepared(folder)
    rows = judged(folder, lambda first, second: "Verdict: A")
    assert (rows["1", "model_first"].outcome, rows["1", "opponent_first"].outcome) == ("win", "loss")
    notes = Input(folder / "judgments", Judgment).manifest.notes
    assert "the verdict changed with the order; the answer shown first got 100%" in str(notes["warnings"])


@pytest.mark.parametrize(
    ("says", "settled"),
    [
        # Prompt 2 is a tie unasked, since both answers are the same; 5 and 6 have one answer each. The two answers to 3
        # are equally long, as they are shown.
        (lambda first, second: "Verdict: A", {"wins": 0, "ties": 4, "losses": 0, "order_flips": 3}),
        (lambda first, second: "Verdict: B", {"wins": 0, "ties": 4, "losses": 0, "order_flips": 3}),
        (longer, {"wins": 1, "ties": 2, "losses": 1, "order_flips": 1}),
        (
            lambda first, second: "Verdict: tie" if first == "short" else longer(first, second),
            {"wins": 1, "ties": 3, "losses": 0, "order_flips": 2},
        ),
        (
            lambda first, second: "well" if first == "short" else longer(first, second),
            {"wins": 1, "ties": 2, "losses": 0, "order_flips": 1, "unscored": 3, "unreadable_replies": 1},
        ),
    ],
)
def test_the_metrics_count_pairs_and_a_flip_is_a_tie(folder: Path, says: Says, settled: Mapping[str, int]) -> None:
    prepared(folder)
    judged(folder, says)
    given = {name: folder / name for name in ("pairs", "completions")}
    again = {name: folder / f"{name} again" for name in ("judgments", "replies")}
    found = bind.call(read_verdicts, params=JUDGE, **given, **again).metrics
    expected = {"pairs": 6, "unscored": 2, "unreadable_replies": 0, "same_answers": 1, **settled}
    assert {name: found[name] for name in expected} == expected


def test_what_is_not_asked_is_a_row_with_its_reason(folder: Path) -> None:
    outcome = prepared(folder, params={**JUDGE, "longest_answer_chars": 49})
    rows = judged(folder, longer)
    assert outcome.metrics == {"requests": 4, "models": 1, "unasked": 3, "same_answers": 1}
    assert (rows["2", "none"].outcome, rows["2", "none"].unscored) == ("tie", None), "white space alone differs"
    assert rows["5", "none"].unscored == "theirs has no answer to this prompt"
    assert rows["6", "none"].unscored == "ours has no answer to this prompt"
    assert rows["4", "none"].unscored == "ours's answer has 50 characters, and the judge is shown at most 49"


def test_an_answer_that_was_never_given_is_unscored_not_a_loss(folder: Path) -> None:
    put(folder, "candidate", {"ours": {"1": ""}}, unanswered="refused")
    prepared(folder)
    assert judged(folder, longer)["1", "none"].unscored == "ours gave no answer: refused"


def test_an_unreadable_reply_is_kept_word_for_word(folder: Path) -> None:
    prepared(folder)
    rows = judged(folder, lambda first, second: "Verdict: both" if first == "short" else "Verdict: A")
    assert rows["1", "model_first"].unscored == 'off the menu: "both"'
    kept = {row.request_id: row for row in Input(folder / "replies", JudgeReply).rows()}
    said = next(row for row in kept.values() if (row.prompt_id, row.order) == ("1", "model_first"))
    assert (said.text, said.verdict) == ("Verdict: both", None)
    assert len(kept) == 6, "readable ones are kept too"
    notes = Input(folder / "judgments", Judgment).manifest.notes
    assert notes["unreadable"] == {"off the menu": 1}


def test_grades_follow_their_answer_through_both_orders(folder: Path) -> None:
    params = {**JUDGE, "template": "graded"}
    prepared(folder, params=params)
    rows = judged(folder, lambda a, b: f"Grades: {min(10, len(a))} / {min(10, len(b))}", params=params)
    for order in ("model_first", "opponent_first"):
        assert (rows["1", order].score, rows["1", order].opponent_score) == (5, 10)
        assert rows["1", order].outcome == "loss"


def test_several_candidates_and_placebos_go_out_blind_and_mixed(tmp_path: Path) -> None:
    numbers = [str(k) for k in range(20)]
    put(tmp_path, "candidate", {m: {k: f"{m[::-1]} {k}" for k in numbers} for m in ("alpha", "beta")})
    put(tmp_path, "reference", {"gamma": {k: f"good {k}" for k in numbers}})
    put(tmp_path, "base", {"delta": {k: f"plain {k}" for k in numbers}})
    put(tmp_path, "dressed", {"placebo:restyled_base": {k: f"- plain {k}" for k in numbers}})
    put(tmp_path, "same", {"placebo:constant": dict.fromkeys(numbers, "it depends")})
    prepared(tmp_path, base=tmp_path / "base", restyled_base=tmp_path / "dressed", constant=tmp_path / "same")
    asked = Input(tmp_path / "requests", Request).rows()
    pairs = {row.id: row for row in Input(tmp_path / "pairs", VerdictPair).rows()}
    assert len(asked) == 4 * 2 * len(numbers)
    for name in ("alpha", "beta", "gamma", "delta", "placebo"):
        assert not any(name in request.prompt for request in asked)
    opponents = {row.model: row.opponent for row in pairs.values()}
    assert opponents["placebo:restyled_base"] == "delta", "made of the base, and compared with it"
    assert opponents["placebo:constant"] == opponents["alpha"] == "gamma"
    # Mixed: among any 20 neighbours there are questions about three models and in both orders.
    for begin in range(0, len(asked), 20):
        near = [pairs[request.id] for request in asked[begin : begin + 20]]
        assert len({row.model for row in near}) >= 3
        assert {row.order for row in near} == {"model_first", "opponent_first"}


def test_another_round_asks_anew_and_the_same_one_asks_the_same(folder: Path) -> None:
    prepared(folder)
    first = Input(folder / "requests", Request)
    prepared(folder)
    assert Input(folder / "requests", Request).digest == first.digest
    ids = {row.id for row in first.rows()}
    prepared(folder, params={**JUDGE, "round": "may"})
    assert ids.isdisjoint(row.id for row in Input(folder / "requests", Request).rows())


def test_hostile_answers_reach_the_judge_whole(tmp_path: Path) -> None:
    texts = {"rtl": "\u202eabc\u202c", "control": "a\x00b\x1bc", "html": "<script>alert(1)</script>", "space": " \n\t "}
    put(tmp_path, "candidate", {"ours": texts})
    put(tmp_path, "reference", {"theirs": dict.fromkeys(texts, "plain")})
    prepared(tmp_path)
    asked = {row.id: row.prompt for row in Input(tmp_path / "requests", Request).rows()}
    for name, text in texts.items():
        shown_as = text if text.strip() else "(no text)"
        assert sum(shown_as in prompt for prompt in asked.values()) >= 2, name


@pytest.mark.parametrize(
    ("candidate", "problem"),
    [
        ({"theirs": {"1": "x"}}, "are called theirs"),
        ({"ours": {"9": "x"}}, "ours and theirs have no prompt in common"),
    ],
)
def test_models_that_cannot_be_compared_are_refused(folder: Path, candidate: Any, problem: str) -> None:
    put(folder, "candidate", candidate)
    with pytest.raises(TouchstoneError, match=problem):
        prepared(folder)


def test_a_reference_of_two_models_is_refused(folder: Path) -> None:
    put(folder, "reference", {"a": {"1": "x"}, "b": {"1": "x"}})
    with pytest.raises(TouchstoneError, match="answers of 2 models: a, b"):
        prepared(folder)


def test_prompts_without_text_are_refused(folder: Path) -> None:
    for port, model in (("candidate", "ours"), ("reference", "theirs")):
        Output(folder / port, Completion).write([Completion(prompt_id="1", model=model, text=model)])
    with pytest.raises(TouchstoneError, match="the text of prompt 1 is in the answers of neither") as error:
        prepared(folder)
    assert "--prompts" in error.value.remedy


def test_an_unpinned_judge_is_refused_before_anything_is_asked(folder: Path) -> None:
    with pytest.raises(UsageError, match="gpt-4 names no version"):
        prepared(folder, params={"judge": "gpt-4"})
    assert not (folder / "requests").exists()


def test_replies_to_other_questions_and_by_another_template_are_refused(folder: Path) -> None:
    prepared(folder)
    Output(folder / "completions", Completion).write([])
    ports = {name: folder / name for name in ("pairs", "completions", "judgments", "replies")}
    with pytest.raises(TouchstoneError, match="6 of 9 pairs have no reply of the judge"):
        bind.call(read_verdicts, params=JUDGE, **ports)
    with pytest.raises(TouchstoneError, match="asked by template pairwise 1, not by graded 1"):
        bind.call(read_verdicts, params={**JUDGE, "template": "graded"}, **ports)
