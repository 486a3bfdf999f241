from typing import Any

import pytest

from components.contracts.errors import UsageError
from components.synthesize.prompting import compose_prompt
from components.synthesize.task import Task, load_task, shipped

TABLE_4 = """\
I want you to generate a series of questions and answers. I want the answers to be concise, just a few words. \
The questions should be lowercased and centered around Wikipedia-like entities. For example,
"""


def fields(**changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "name": "capitals",
        "source": "capitals",
        "seeds": [{"question": f"capital of {i}?", "answer": str(i)} for i in range(4)],
        "seeds_per_prompt": 2,
        "prompt": "More of these:\n{examples}",
        "reply": {"form": "lines"},
        "num_examples": 10,
    }
    given |= changes
    return {key: value for key, value in given.items() if value is not None}


def test_the_shipped_task_is_the_studys() -> None:
    task = load_task("nq_synthetic")
    assert (len(task.seeds), task.seeds_per_prompt, task.temperature, task.num_examples) == (10, 5, 1.0, 6000)
    assert task.dedup == "pair"
    assert task.seeds[7].question == "name of the bird in the lion king"
    assert [seed.answer for seed in task.seeds][:3] == ["Frank Sinatra", "1988", "Masi Oka"]
    prompt = compose_prompt(task, seed=0, number=0).text
    assert prompt.startswith(TABLE_4)
    shown = prompt.removeprefix(TABLE_4).split("\n")
    assert len(shown) == 10
    known = {(f"Q: {seed.question}", f"A: {seed.answer}") for seed in task.seeds}
    assert set(zip(shown[::2], shown[1::2], strict=True)) < known


def test_every_shipped_task_can_be_read() -> None:
    for name in shipped():
        assert load_task(name).name == name


def test_a_prompt_depends_on_its_number_and_the_seed_alone() -> None:
    task = load_task("nq_synthetic")
    assert compose_prompt(task, 0, 7) == compose_prompt(task, 0, 7)
    others = {compose_prompt(task, 0, number).text for number in range(200)}
    assert len(others) > 190
    assert compose_prompt(task, 1, 7).text != compose_prompt(task, 0, 7).text
    assert len({compose_prompt(task, 0, number).seed for number in range(200)}) == 200


def test_every_seed_is_drawn_about_equally_often() -> None:
    task = load_task("nq_synthetic")
    prompts = [compose_prompt(task, 0, number).text for number in range(1000)]
    for seed in task.seeds:
        assert 430 < sum(seed.question in prompt for prompt in prompts) < 570


def test_braces_in_a_task_are_texts() -> None:
    seeds = [{"question": "what is {answer}?", "answer": "{question}"}] * 2
    task = load_task(fields(seeds=seeds, prompt='{"like": 1}\n{examples}', example="<{question}|{answer}>"))
    assert compose_prompt(task, 0, 0).text == '{"like": 1}\n' + "\n".join(["<what is {answer}?|{question}>"] * 2)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"seeds_per_prompt": 5}, "there are 4 seeds"),
        ({"seeds_per_prompt": 0}, "seeds_per_prompt"),
        ({"prompt": "no place"}, "must hold {examples} once"),
        ({"prompt": "{examples}{examples}"}, "must hold {examples} once"),
        ({"example": "{question}"}, "must hold {question} and {answer}"),
        ({"reply": {"form": "lines", "question": "Q: (.*"}}, "no regular expression"),
        ({"reply": {"form": "lines", "question": "Q: .*"}}, "0 groups"),
        ({"reply": {"form": "yaml"}}, "reply"),
        ({"name": "Two Words"}, "name"),
        ({"seeds": [{"question": " ", "answer": "a"}] * 4}, "seeds.0.question"),
        ({"num_examples": None}, "num_examples: Field required"),
        ({"temprature": 1.0}, "temprature"),
        ({"dedup": "none"}, "dedup"),
    ],
)
def test_an_impossible_task_is_told_by_field(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as failed:
        load_task(fields(**changes), where="mine.yaml")
    assert "mine.yaml" in failed.value.found
    assert told in failed.value.found


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="no task called nq") as failed:
        load_task("nq")
    assert "nq_synthetic" in failed.value.expected


def test_numbers_that_kubeflow_turned_into_floats_are_accepted() -> None:
    assert isinstance(load_task(fields(num_examples=10.0, seeds_per_prompt=2.0)), Task)
