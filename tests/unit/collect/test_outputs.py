"""Outputs of any tool become completions whose prompt ids are identities."""

import json
import re
from pathlib import Path

import pytest

from components.collect.outputs import read_outputs
from components.collect.prompts import digest_id, read_prompts
from components.contracts.errors import TouchstoneError
from components.contracts.ports import write_rows
from components.contracts.rows import Completion


def write(folder: Path, content: object, name: str = "outputs.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
    return path


def jsonl(rows: list[dict[str, object]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def alpaca(n: int = 3, generator: str = "m") -> list[dict[str, object]]:
    return [{"instruction": f"do {i}", "output": f"done {i}", "generator": generator, "dataset": "d"} for i in range(n)]


def test_alpaca_eval_outputs_are_identified_by_their_instruction(tmp_path) -> None:
    found = read_outputs(write(tmp_path, alpaca()), "base")
    assert found.model == "m"
    assert [(c.prompt_id, c.prompt, c.text, c.model) for c in found.completions] == [
        (digest_id(f"do {i}"), f"do {i}", f"done {i}", "m") for i in range(3)
    ]


def test_white_space_does_not_change_a_prompts_identity() -> None:
    assert digest_id("a  b\r\nc ") == digest_id("a b\nc")
    assert digest_id("a b") != digest_id("ab")


def test_fastchat_answers_of_both_generations(tmp_path) -> None:
    old = [{"question_id": 7, "text": "hi", "answer_id": "A", "model_id": "v:1"}]
    new = [{"question_id": 7, "model_id": "v:1", "choices": [{"index": 0, "turns": ["hi", "second turn"]}]}]
    questions = read_prompts(write(tmp_path, jsonl([{"question_id": 7, "text": "Say hi"}]), "q.jsonl"))
    for rows in (old, new):
        found = read_outputs(write(tmp_path, jsonl(rows)), "imitator", prompts=questions)
        assert found.completions == (Completion(prompt_id="7", model="v:1", prompt="Say hi", text="hi"),)
        assert {"v:1", "v"} <= found.aliases
    assert read_outputs(write(tmp_path, jsonl(old)), "base").answers == {"A": "7"}


def test_plain_csv_and_a_name_given_by_hand(tmp_path) -> None:
    found = read_outputs(write(tmp_path, 'prompt,response\np,"a\nb"\nq,c\n'), "target", name="T")
    assert [(c.prompt, c.text) for c in found.completions] == [("p", "a\nb"), ("q", "c")]
    assert found.model == "T"
    assert read_outputs(write(tmp_path, "prompt,response\np,a\n"), "target").model == "target"


def test_texts_take_the_id_that_the_prompts_file_gives_them(tmp_path) -> None:
    prompts = read_prompts(write(tmp_path, [{"i": i, "instruction": f"do  {i}"} for i in range(3)], "p.json"))
    found = read_outputs(write(tmp_path, alpaca()), "base", prompts=prompts)
    assert [c.prompt_id for c in found.completions] == ["0", "1", "2"]


def test_a_text_under_two_ids_cannot_be_resolved(tmp_path) -> None:
    prompts = read_prompts(write(tmp_path, [{"id": 1, "text": "do 0"}, {"id": 2, "text": "do 0"}], "p.json"))
    with pytest.raises(TouchstoneError, match=r"item 1 .* under the ids 1, 2"):
        read_outputs(write(tmp_path, alpaca()), "base", prompts=prompts)


def test_our_own_rows_are_read_and_verified(tmp_path) -> None:
    rows = [Completion(prompt_id="a", model="m", prompt="p", text="t")]
    write_rows(tmp_path / "rows", Completion, rows)
    assert read_outputs(tmp_path / "rows", "base").completions == tuple(rows)
    with (tmp_path / "rows" / "rows.jsonl").open("a") as stream:
        stream.write("\n")
    with pytest.raises(TouchstoneError, match="was changed"):
        read_outputs(tmp_path / "rows", "base")


@pytest.mark.parametrize(
    ("present", "held", "remedy"),
    [
        ([], "nothing", "check the path"),
        (["a.jsonl", "b.jsonl"], r"only a\.jsonl, b\.jsonl", r"as in --base .*a\.jsonl"),
        (["rows.jsonl", "manifest.json.partial"], "only manifest", "goes on where it was stopped"),
    ],
)
def test_a_folder_that_is_no_finished_artifact_says_what_to_give(tmp_path, present, held, remedy) -> None:
    (tmp_path / "given").mkdir()
    for name in present:
        (tmp_path / "given" / name).write_text("{}")
    with pytest.raises(TouchstoneError, match=f"no outputs that Touchstone wrote: {held}") as caught:
        read_outputs(tmp_path / "given", "base")
    assert re.search(remedy, caught.value.remedy)


def test_a_prompt_answered_twice_names_both_places(tmp_path) -> None:
    path = write(tmp_path, jsonl([*alpaca(2), {"instruction": "do  0 ", "output": "again", "generator": "m"}]))
    with pytest.raises(TouchstoneError) as caught:
        read_outputs(path, "base")
    assert f"{path}, line 3" in str(caught.value)
    assert f"{path}, line 1" in str(caught.value)
    assert "--target-second" in caught.value.remedy


def test_two_models_in_one_file_are_refused(tmp_path) -> None:
    path = write(tmp_path, jsonl([*alpaca(2), {"instruction": "z", "output": "o", "generator": "other"}]))
    with pytest.raises(TouchstoneError, match=r"line 3: an output of other, after outputs of m"):
        read_outputs(path, "base")


def test_a_few_empty_outputs_are_counted_and_many_are_an_error(tmp_path) -> None:
    rows = alpaca(20)
    rows[3]["output"] = " \n"
    assert read_outputs(write(tmp_path, jsonl(rows)), "base").num_empty == 1
    for row in rows[3:8]:
        row["output"] = ""
    with pytest.raises(TouchstoneError) as caught:
        read_outputs(write(tmp_path, jsonl(rows)), "base")
    assert "line 4: the output is empty, as are 5 of 20" in caught.value.found
    assert "again" in caught.value.remedy


@pytest.mark.parametrize(
    ("record", "kind", "remedy"),
    [
        ({"instruction": "i", "generator_1": "a", "generator_2": "b", "preference": 1}, "judgment", "--judgments"),
        ({"question_id": 1, "answer1_id": "a", "answer2_id": "b", "score": [1, 2]}, "judgment", "--judgments"),
        ({"conversations": []}, "conversation", "--train"),
        ({"doc_id": 0, "doc": {}, "filter": "none"}, "item score", "--scores base=FILE"),
        ({"task_id": "HumanEval/0", "completion": "x", "passed": True}, "item score", "--scores base=FILE"),
        ({"results": {}, "configs": {}}, "lm-evaluation-harness", "--scores base=FILE"),
        ({"foo": 1}, "only foo", "rename"),
        ({"instruction": "i"}, "only instruction", "rename"),
    ],
)
def test_files_of_another_kind_are_sent_to_their_option(tmp_path, record, kind, remedy) -> None:
    with pytest.raises(TouchstoneError) as caught:
        read_outputs(write(tmp_path, jsonl([record])), "base")
    assert kind in caught.value.found
    assert remedy in caught.value.remedy


@pytest.mark.parametrize("output", [None, 3, {"a": 1}, []])
def test_outputs_that_are_no_text_are_located(tmp_path, output) -> None:
    rows = [*alpaca(1), {"instruction": "z", "output": output, "generator": "m"}]
    with pytest.raises(TouchstoneError, match="line 2: output is"):
        read_outputs(write(tmp_path, jsonl(rows)), "base")


def test_prompts_need_ids_and_every_id_once(tmp_path) -> None:
    with pytest.raises(TouchstoneError, match="only text"):
        read_prompts(write(tmp_path, jsonl([{"text": "x"}])))
    with pytest.raises(TouchstoneError, match=r"line 2: prompt 1 was already given \(.*line 1\)"):
        read_prompts(write(tmp_path, jsonl([{"id": 1, "text": "x"}, {"id": "1", "text": "y"}])))
