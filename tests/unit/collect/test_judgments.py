"""Judgments find their models by name or answer id, and keep who was shown first."""

import json
from pathlib import Path

import pytest

from components.collect.judgments import read_judgments
from components.collect.outputs import Outputs, read_outputs
from components.collect.prompts import PromptIndex, read_prompts
from components.contracts.errors import TouchstoneError

N = 4


def jsonl(rows: list[dict[str, object]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def write(folder: Path, name: str, rows: list[dict[str, object]]) -> Path:
    (folder / name).write_text(jsonl(rows))
    return folder / name


def fastchat(folder: Path) -> list[Outputs]:
    return [
        read_outputs(
            write(
                folder,
                f"{model}.jsonl",
                [
                    {"question_id": i, "text": f"{model} {i}", "answer_id": f"{model}-{i}", "model_id": f"{model}:v1"}
                    for i in range(N)
                ],
            ),
            role,
        )
        for role, model in (("base", "llama"), ("imitator", "vicuna"), ("target", "gpt"))
    ]


def alpaca(folder: Path, prompts: PromptIndex | None = None) -> list[Outputs]:
    return [
        read_outputs(
            write(
                folder,
                role,
                [{"instruction": f"do {i}", "output": f"{model} {i}", "generator": model} for i in range(N)],
            ),
            role,
            prompts=prompts,
        )
        for role, model in (("base", "llama"), ("imitator", "vicuna"), ("target", "gpt"))
    ]


def annotations(first: str, second: str, preferences: list[object]) -> list[dict[str, object]]:
    return [
        {"instruction": f"do {i}", "generator_1": first, "generator_2": second, "preference": p, "annotator": "judge"}
        for i, p in enumerate(preferences)
    ]


def reviews(first: str, second: str, scores: list[list[float]]) -> list[dict[str, object]]:
    return [
        {
            "question_id": i,
            "answer1_id": f"{first}-{i}",
            "answer2_id": f"{second}-{i}",
            "score": pair,
            "reviewer_id": "gpt-4-coding",
        }
        for i, pair in enumerate(scores)
    ]


def test_alpaca_preferences_are_read_from_either_side(tmp_path) -> None:
    outputs = alpaca(tmp_path)
    preferences: list[object] = [2, 1, 0, None]
    for names, expected in ((("gpt", "vicuna"), ["win", "loss"]), (("vicuna", "gpt"), ["loss", "win"])):
        found = read_judgments([write(tmp_path, "a.json", annotations(*names, preferences))], outputs).rows
        assert [row.outcome for row in found] == [*expected, "tie", None]
        assert {(row.model, row.opponent, row.source, row.order) for row in found} == {
            ("vicuna", "gpt", "judge", "none")
        }
        assert found[3].unscored == "no preference in the file"
        assert sum(row.score or 0 for row in found) == 1.5


def test_weighted_preferences_keep_their_weight(tmp_path) -> None:
    path = write(tmp_path, "a.json", annotations("gpt", "vicuna", [1.25, 1.9, 1.5, 2]))
    found = read_judgments([path], alpaca(tmp_path)).rows
    assert [row.score for row in found] == pytest.approx([0.25, 0.9, 0.5, 1.0])
    assert [row.outcome for row in found] == ["loss", "win", "tie", "win"]


def test_a_reduced_csv_needs_the_numbers_of_the_prompts(tmp_path) -> None:
    (tmp_path / "p.csv").write_text(
        "model,i,baseline,preference\nvicuna,0,gpt,2\nvicuna,1,gpt,\nother,0,gpt,1\nvicuna,2,gpt,1\n"
    )
    with pytest.raises(TouchstoneError, match="line 2: prompt number 0") as caught:
        read_judgments([tmp_path / "p.csv"], alpaca(tmp_path))
    assert "--prompts" in caught.value.remedy
    prompts = read_prompts(write(tmp_path, "i.jsonl", [{"i": i, "instruction": f"do {i}"} for i in range(N)]))
    found = read_judgments([tmp_path / "p.csv"], alpaca(tmp_path, prompts), prompts=prompts)
    assert [(row.prompt_id, row.outcome) for row in found.rows] == [("0", "win"), ("1", None), ("2", "loss")]
    assert found.skipped == {"p.csv": 1}


def test_reviews_are_resolved_by_answer_id_whatever_the_file_is_called(tmp_path) -> None:
    path = write(tmp_path, "review_alpaca_bard.jsonl", reviews("gpt", "vicuna", [[9, 8], [7, 7], [5, 6], [-1, -1]]))
    found = read_judgments([path], fastchat(tmp_path)).rows
    assert [row.outcome for row in found] == ["loss", "tie", "win", None]
    assert {(row.model, row.opponent, row.order, row.source) for row in found} == {
        ("vicuna:v1", "gpt:v1", "opponent_first", "gpt-4")
    }
    assert [row.score for row in found] == [8, 7, 6, None]
    assert found[3].unscored == "the judge's reply could not be parsed"


def test_two_files_hold_both_orders(tmp_path) -> None:
    one = write(tmp_path, "x.jsonl", reviews("gpt", "vicuna", [[9, 8]]))
    two = write(tmp_path, "y.jsonl", reviews("vicuna", "gpt", [[9, 8]]))
    found = read_judgments([one, two], fastchat(tmp_path)).rows
    assert [(row.order, row.outcome) for row in found] == [("opponent_first", "loss"), ("model_first", "win")]
    swapped = [
        write(tmp_path, "a.json", annotations("gpt", "vicuna", [2])),
        write(tmp_path, "b.json", annotations("vicuna", "gpt", [2])),
    ]
    found = read_judgments(swapped, alpaca(tmp_path)).rows
    assert {(row.order, row.outcome) for row in found} == {("opponent_first", "win"), ("model_first", "loss")}


def test_file_names_are_asked_only_when_answer_ids_are_unknown(tmp_path) -> None:
    unknown = [{"question_id": 0, "answer1_id": "?", "answer2_id": "??", "score": [9, 8], "reviewer_id": 1}]
    found = read_judgments([write(tmp_path, "review_gpt_vicuna.jsonl", unknown)], fastchat(tmp_path)).rows
    assert [(row.model, row.opponent, row.outcome) for row in found] == [("vicuna:v1", "gpt:v1", "loss")]
    with pytest.raises(TouchstoneError, match=r"line 1: the author of answer \? and the author of answer \?\? are not"):
        read_judgments([write(tmp_path, "r.jsonl", unknown)], fastchat(tmp_path))


def test_a_generator_that_is_no_output_is_an_error_that_names_both(tmp_path) -> None:
    path = write(tmp_path, "a.json", annotations("davinci", "vicuna", [1, 2]))
    with pytest.raises(TouchstoneError) as caught:
        read_judgments([path], alpaca(tmp_path))
    message = str(caught.value)
    assert f"{path}, line 1: davinci is not among the outputs (this file compares davinci with vicuna)" in message
    assert "llama (--base), vicuna (--imitator), gpt (--target)" in message
    assert "--name ROLE=NAME" in message


def test_a_judge_asked_twice_in_one_order_names_both_places(tmp_path) -> None:
    path = write(tmp_path, "r.jsonl", reviews("gpt", "vicuna", [[9, 8]]) * 2)
    with pytest.raises(TouchstoneError, match=r"line 2: .* second time \(first in .*line 1\)"):
        read_judgments([path], fastchat(tmp_path))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"score": [9]}, r"score is \[9\]"),
        ({"score": [9, "NaN"]}, "score is"),
        ({"score": [9, -3]}, r"score is \[9, -3\]"),
        ({"answer2_id": "vicuna-2"}, "answers question 2, the review is of question 0"),
    ],
)
def test_malformed_reviews_are_located(tmp_path, change, found) -> None:
    rows = reviews("gpt", "vicuna", [[9, 8]])
    with pytest.raises(TouchstoneError, match=f"line 1: .*{found}"):
        read_judgments([write(tmp_path, "r.jsonl", [rows[0] | change])], fastchat(tmp_path))


def test_preferences_out_of_range_are_located(tmp_path) -> None:
    with pytest.raises(TouchstoneError, match="line 2: preference is 3"):
        read_judgments([write(tmp_path, "a.json", annotations("gpt", "vicuna", [1, 3]))], alpaca(tmp_path))


def test_judgments_of_other_prompts_are_refused(tmp_path) -> None:
    rows = [row | {"instruction": f"other {i}"} for i, row in enumerate(annotations("gpt", "vicuna", [1, 2, 1]))]
    with pytest.raises(TouchstoneError, match="is in no outputs file; so are 3 of the 3"):
        read_judgments([write(tmp_path, "a.json", rows)], alpaca(tmp_path))
