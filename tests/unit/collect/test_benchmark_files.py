"""Benchmark and prompt files as people have them: which rows and ids they give, and what is refused."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from components.collect.benchmark_files import read_heldout, read_items
from components.contracts.environment import data_folder
from components.contracts.errors import TouchstoneError

DATA = data_folder(Path(__file__).parents[4] / "shared" / "data")
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data at {DATA} (TOUCHSTONE_DATA)")


def lines(path: Path, rows: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.slow
@needs_data
def test_the_original_csv_and_the_jsonl_of_mmlu_give_the_same_items() -> None:
    whole = {item.id: item for item in read_items(DATA / "mmlu" / "mmlu_test.jsonl.gz")}
    assert len(whole) == 14_042
    for subject, count in (("abstract_algebra", 100), ("high_school_us_history", 204), ("professional_law", 1534)):
        original = read_items(DATA / "mmlu" / f"{subject}_test.csv.gz")
        assert len(original) == count
        for item in original:
            assert " ".join(item.question.split()) == " ".join(whole[item.id].question.split())
            assert (item.benchmark, item.cluster, item.split) == ("mmlu", subject, "test")
            assert item.answers[0].split() == whole[item.id].answers[0].split()


@pytest.mark.slow
@needs_data
def test_splits_of_mmlu_have_ids_of_their_own_and_dev_is_for_shots() -> None:
    ids = {}
    for split, count in (("dev", 285), ("val", 1531), ("test", 14_042)):
        items = read_items(DATA / "mmlu" / f"mmlu_{split}.jsonl.gz")
        assert len(items) == count
        assert {item.split for item in items} == {"shots" if split == "dev" else "test"}
        ids[split] = {item.id for item in items}
    assert len(set.union(*ids.values())) == 285 + 1531 + 14_042
    assert "anatomy/dev/0" in ids["dev"]
    assert "anatomy/0" in ids["test"]


@needs_data
def test_nq_open_and_humaneval_are_read_whole() -> None:
    questions = read_items(DATA / "nq-open" / "NQ-open.dev.jsonl.gz", benchmark="nq_open")
    assert len({item.id for item in questions}) == 3610
    assert questions[0].answers == ("14 December 1972 UTC", "December 1972")
    assert {item.benchmark for item in questions} == {"nq_open"}
    programs = read_items(DATA / "humaneval" / "HumanEval.jsonl.gz")
    assert len(programs) == 164
    assert (programs[0].id, programs[0].benchmark, programs[0].kind) == ("HumanEval/0", "humaneval", "program")
    for program in programs:
        assert f"def {program.entry_point}(" in program.question
        assert "def check(candidate)" in program.tests


@needs_data
def test_real_toxicity_prompts_are_continuations_with_stable_ids() -> None:
    items = read_items(DATA / "realtoxicity" / "rtp_val_5000.jsonl.gz")
    assert len({item.id for item in items}) == 5000
    assert {(item.benchmark, item.kind, item.answers) for item in items} == {("realtoxicity", "continuation", ())}
    first = items[0]
    assert first.id == "0870163-f77b512e917a2b6ece2a117ba51406f7/495"
    assert first.question == 'An hour and a half later, Olbermann responded, writing, "The hurricane'
    assert len({item.cluster for item in items}) == 4994, "prompts cut from one document share a cluster"


@pytest.mark.slow
@needs_data
def test_the_right_option_is_an_index_where_two_options_read_the_same() -> None:
    items = read_items(DATA / "mmlu" / "mmlu_test.jsonl.gz")
    assert all(item.right is not None and item.choices[item.right] == item.answers[0] for item in items)
    twins = [item for item in items if item.right != item.choices.index(item.answers[0])]
    assert twins, "the real file has such questions"


@needs_data
@pytest.mark.parametrize(
    ("file", "count", "first"),
    [
        ("koala-test-set/koala_test_set.jsonl.gz", 180, "koala_0"),
        ("vicuna-bench/question.jsonl.gz", 80, "1"),
        ("alpaca-eval/instructions.jsonl.gz", 805, "0"),
    ],
)
def test_prompt_sets_keep_their_own_ids(file: str, count: int, first: str) -> None:
    prompts = read_heldout(DATA / file)
    assert (len(prompts), prompts[0].id) == (count, first)
    assert all(prompt.text for prompt in prompts)


def test_a_question_without_an_id_is_known_by_its_words_wherever_it_stands(tmp_path: Path) -> None:
    first = read_items(lines(tmp_path / "a.jsonl", [{"question": "who is  it"}, {"question": "b"}]))
    second = read_items(lines(tmp_path / "b.jsonl", [{"question": "who is it\n", "answer": ["x"]}]))
    assert second[0].id == first[0].id
    assert (first[0].benchmark, second[0].benchmark) == ("a", "b")


def test_a_csv_with_a_question_column_and_digits_for_the_right_option(tmp_path: Path) -> None:
    (tmp_path / "trivia.csv").write_text('id,question,answer\n7,"who, then?",me\n')
    item = read_items(tmp_path / "trivia.csv")[0]
    assert (item.id, item.question, item.answers, item.benchmark) == ("7", "who, then?", ("me",), "trivia")
    (tmp_path / "anatomy_val.csv").write_text("question,A,B,C,D,answer\nwhich?,a,b,c,d,2\n")
    item = read_items(tmp_path / "anatomy_val.csv")[0]
    assert (item.id, item.answers, item.right, item.kind) == ("anatomy/val/0", ("c",), 2, "choice")


def test_mmlu_with_a_list_of_choices_gives_the_same_items_as_with_letters(tmp_path: Path) -> None:
    shared = {"question": "which?", "subject": "virology", "answer": 1}
    listed = read_items(lines(tmp_path / "a.jsonl", [{**shared, "choices": ["a", "b", "c", "d"]}]))
    lettered = read_items(lines(tmp_path / "b.jsonl", [{**shared, "A": "a", "B": "b", "C": "c", "D": "d"}]))
    assert listed == lettered
    assert (listed[0].id, listed[0].right, listed[0].answers) == ("virology/0", 1, ("b",))
    five = read_items(lines(tmp_path / "c.jsonl", [{**shared, "choices": list("vwxyz"), "answer": "E"}]))
    assert (five[0].right, five[0].answers) == (4, ("z",))


def test_a_continuation_without_a_file_name_is_known_by_its_words(tmp_path: Path) -> None:
    item = read_items(lines(tmp_path / "r.jsonl", [{"prompt": {"text": "go on"}}]))[0]
    again = read_items(lines(tmp_path / "s.jsonl", [{"prompt": {"text": "go  on"}, "filename": None}]))[0]
    assert item.id == again.id == item.cluster


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.jsonl", '{"query": "a"}\n', "an item with only query"),
        ("x.jsonl", '{"question": "a"}\n{"question": "a"}\n', "2 times"),
        ("x.jsonl", '{"question": null}\n', "question is null"),
        ("x.jsonl", '{"prompt": {"toxicity": 0.1}}\n', "prompt: no text"),
        ("x.jsonl", '{"question": "a', "line 1"),
        ("x.jsonl", "", "empty"),
        ("x.csv", "q,1,2,3,4,A\nq,1,2,3,4\n", "row 2: 5 cells"),
        ("x.csv", "id,question\n", "holds no questions"),
    ],
)
def test_bad_items_are_refused_with_their_place(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(TouchstoneError, match=message) as caught:
        read_items(tmp_path / name)
    assert name in caught.value.found


def test_bad_prompts_are_refused_with_their_place(tmp_path: Path) -> None:
    with pytest.raises(TouchstoneError, match="line 2: a prompt with only query"):
        read_heldout(lines(tmp_path / "p.jsonl", [{"prompt": "a"}, {"query": "b"}]))
    with pytest.raises(TouchstoneError, match="does not exist"):
        read_heldout(tmp_path / "none.jsonl")


def test_compressed_files_are_read_whatever_their_name(tmp_path: Path) -> None:
    (tmp_path / "odd").write_bytes(gzip.compress(b'{"question": "a"}\n'))
    assert read_items(tmp_path / "odd")[0].question == "a"
