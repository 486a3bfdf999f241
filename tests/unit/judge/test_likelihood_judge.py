from pathlib import Path

import pytest

from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import Judgment
from components.contracts.ports import Input, Output
from components.contracts.rows import ChoiceScore, Completion, Request
from components.judge.step import AskParams, Params, judge_likelihood, prepare_judging

OURS = {"1": "short", "2": "", "3": "a reply", "4": "same"}
THEIRS = {"1": "a long answer", "2": "something", "3": "another", "4": "same"}


def put(folder: Path, model: str, texts: dict[str, str]) -> Input[Completion]:
    rows = [Completion(prompt_id=k, model=model, prompt=f"{model} asks {k}", text=t) for k, t in texts.items()]
    Output(folder / model, Completion).write(rows)
    return Input(folder / model, Completion)


def judged(folder: Path, weighed: dict[str, tuple[float, int]], **params: float) -> dict[str, Judgment]:
    Output(folder / "weighed", ChoiceScore).write(
        ChoiceScore(request_id=k, model="judge", logprobs=(total,), num_tokens=(n,))
        for k, (total, n) in weighed.items()
    )
    judge_likelihood(
        candidate=put(folder, "ours", OURS),
        reference=put(folder, "theirs", THEIRS),
        choice_scores=Input(folder / "weighed", ChoiceScore),
        judgments=Output(folder / "judgments", Judgment),
        params=Params.model_validate(params),
    )
    return {row.prompt_id: row for row in Input(folder / "judgments", Judgment).rows()}


WEIGHED = {
    "candidate:1": (-4.0, 1),
    "reference:1": (-6.0, 3),
    "reference:2": (-1.0, 1),
    "candidate:3": (-1.0, 2),
    "reference:3": (-3.0, 2),
    "candidate:4": (-2.0, 1),
    "reference:4": (-2.0, 1),
}


def test_the_likelier_answer_per_token_wins_and_length_alone_does_not(tmp_path: Path) -> None:
    rows = judged(tmp_path, WEIGHED)
    # -6 over three tokens is likelier per token than -4 over one, though its sum is lower.
    assert [rows[k].outcome for k in "134"] == ["loss", "win", "tie"]
    assert (rows["1"].score, rows["1"].opponent_score) == (-4.0, -2.0)
    assert {row.order for row in rows.values()} == {"none"}


def test_an_empty_answer_is_unscored_not_a_loss(tmp_path: Path) -> None:
    row = judged(tmp_path, WEIGHED)["2"]
    assert (row.outcome, row.unscored) == (None, "ours gave no answer: it is empty")


def test_a_missing_likelihood_is_unscored(tmp_path: Path) -> None:
    rows = judged(tmp_path, {k: v for k, v in WEIGHED.items() if k != "reference:1"})
    assert rows["1"].unscored == "no likelihood recorded"


@pytest.mark.parametrize(("side", "told"), [("candidate", "ours's answer"), ("reference", "theirs's answer")])
def test_an_answer_that_the_checkpoint_cannot_read_is_unscored_with_its_reason(
    tmp_path: Path, side: str, told: str
) -> None:
    why = "the text is longer than the model's 512 tokens"
    ours, theirs = put(tmp_path, "ours", {"1": "word " * 900}), put(tmp_path, "theirs", {"1": "a long answer"})
    Output(tmp_path / "weighed", ChoiceScore).write(
        ChoiceScore(request_id=f"{name}:1", model="judge", num_tokens=(900,), logprobs=(), unanswered=why)
        if name == side
        else ChoiceScore(request_id=f"{name}:1", model="judge", num_tokens=(3,), logprobs=(-4.0,))
        for name in ("candidate", "reference")
    )
    judge_likelihood(
        candidate=ours,
        reference=theirs,
        choice_scores=Input(tmp_path / "weighed", ChoiceScore),
        judgments=Output(tmp_path / "judgments", Judgment),
        params=Params(),
    )
    (row,) = Input(tmp_path / "judgments", Judgment).rows()
    assert (row.outcome, row.unscored) == (None, f"{told}: {why}")


@pytest.mark.parametrize(("side", "told"), [("candidate", "ours's answer"), ("reference", "theirs's answer")])
def test_a_likelihood_after_a_part_of_the_question_is_no_judgment(tmp_path: Path, side: str, told: str) -> None:
    Output(tmp_path / "weighed", ChoiceScore).write(
        ChoiceScore(request_id=k, model="judge", logprobs=(total,), num_tokens=(n,), cut_tokens=7 * (k == f"{side}:3"))
        for k, (total, n) in WEIGHED.items()
    )
    judge_likelihood(
        candidate=put(tmp_path, "ours", OURS),
        reference=put(tmp_path, "theirs", THEIRS),
        choice_scores=Input(tmp_path / "weighed", ChoiceScore),
        judgments=Output(tmp_path / "judgments", Judgment),
        params=Params(),
    )
    rows = {row.prompt_id: row for row in Input(tmp_path / "judgments", Judgment).rows()}
    assert (rows["3"].outcome, rows["3"].unscored) == (
        None,
        f"{told}: the judge's context cut off 7 tokens of what was asked",
    )
    assert rows["1"].outcome == "loss"


def test_a_margin_makes_near_answers_equal(tmp_path: Path) -> None:
    assert judged(tmp_path, WEIGHED, tie_margin=1.5)["3"].outcome == "tie"


def test_both_sides_are_read_after_the_same_instruction(tmp_path: Path) -> None:
    prepare_judging(
        candidate=put(tmp_path, "ours", OURS),
        reference=put(tmp_path, "theirs", THEIRS),
        requests=Output(tmp_path / "requests", Request),
        params=AskParams(),
    )
    asked = {row.id: row for row in Input(tmp_path / "requests", Request).rows()}
    assert asked["candidate:1"].prompt == asked["reference:1"].prompt == "Question: theirs asks 1\nAnswer:"
    assert asked["candidate:1"].choices == (" short",)
    assert "candidate:2" not in asked


def test_no_prompt_in_common_is_an_error(tmp_path: Path) -> None:
    ours, theirs = put(tmp_path, "a", {"1": "x"}), put(tmp_path, "b", {"2": "x"})
    Output(tmp_path / "weighed", ChoiceScore).write([])
    with pytest.raises(TouchstoneError, match="no prompt in common"):
        judge_likelihood(
            candidate=ours,
            reference=theirs,
            choice_scores=Input(tmp_path / "weighed", ChoiceScore),
            judgments=Output(tmp_path / "judgments", Judgment),
            params=Params(),
        )


def test_placebos_are_weighed_beside_the_candidate(tmp_path: Path) -> None:
    names = ("placebo:restyled_base", "placebo:stylistic_base", "placebo:constant")
    placebos = {name.partition(":")[2]: put(tmp_path, name, {"1": f"the {name}"}) for name in names}
    sides = {"candidate": put(tmp_path, "ours", OURS), "reference": put(tmp_path, "theirs", THEIRS), **placebos}
    prepare_judging(**sides, requests=Output(tmp_path / "requests", Request), params=AskParams())
    asked = Input(tmp_path / "requests", Request).rows()
    # Each answer is as likely as its place in the questions says.
    Output(tmp_path / "weighed", ChoiceScore).write(
        ChoiceScore(request_id=row.id, model="judge", logprobs=(-1.0 - place,), num_tokens=(1,))
        for place, row in enumerate(asked)
    )
    judge_likelihood(
        **sides,
        choice_scores=Input(tmp_path / "weighed", ChoiceScore),
        judgments=Output(tmp_path / "judgments", Judgment),
        params=Params(),
    )
    rows = {(row.model, row.prompt_id): row for row in Input(tmp_path / "judgments", Judgment).rows()}
    answers = {row.choices[0].strip(): -1.0 - place for place, row in enumerate(asked)}
    for name in names:
        assert rows[name, "1"].score == answers[f"the {name}"]
        assert rows[name, "1"].opponent_score == answers[THEIRS["1"]]


def test_what_is_made_of_the_base_is_weighed_beside_the_base_too(tmp_path: Path) -> None:
    sides = {
        "candidate": put(tmp_path, "placebo:corrupted_target", {"1": "false", "3": "false"}),
        "reference": put(tmp_path, "theirs", THEIRS),
        "base": put(tmp_path, "base", {"1": "a plain answer", "9": "to another question"}),
        "restyled_base": put(tmp_path, "placebo:restyled_base", {"1": "- a plain answer", "9": "- other"}),
        "constant": put(tmp_path, "placebo:constant", {"1": "I see."}),
    }
    prepare_judging(**sides, requests=Output(tmp_path / "requests", Request), params=AskParams())
    asked = [row.id for row in Input(tmp_path / "requests", Request).rows()]
    assert "base:1" in asked
    assert len(set(asked)) == len(asked)
    likely = {"base:1": -1.0, "placebo:restyled_base|1": -2.0, "reference:1": -3.0}
    Output(tmp_path / "weighed", ChoiceScore).write(
        ChoiceScore(request_id=name, model="judge", logprobs=(likely.get(name, -4.0),), num_tokens=(1,))
        for name in asked
    )
    metrics = judge_likelihood(
        **sides,
        choice_scores=Input(tmp_path / "weighed", ChoiceScore),
        judgments=Output(tmp_path / "judgments", Judgment),
        params=Params(),
    )
    rows = Input(tmp_path / "judgments", Judgment).rows()
    found = {(row.model, row.opponent): row.outcome for row in rows if row.prompt_id == "1"}
    assert found == {
        ("placebo:corrupted_target", "theirs"): "loss",
        ("placebo:restyled_base", "theirs"): "win",
        ("placebo:constant", "theirs"): "loss",
        ("placebo:restyled_base", "base"): "loss",
    }
    assert {row.prompt_id for row in rows} == {"1", "3"}
    assert metrics["judged"] == 4.0, "beside the reference; what is beside the base is no share of it"
