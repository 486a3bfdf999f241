from pathlib import Path
from typing import Any

import pytest

from components.benchmark.scoring import in_selection
from components.benchmark.step import Params, prepare, score
from components.contracts.errors import TouchstoneError
from components.contracts.ports import Input, Output
from components.contracts.rows import ChoiceScore, Completion, Prompt, Request, Score, TaskItem


def choice(number: int, split: str = "test", answer: str = "red") -> TaskItem:
    return TaskItem.model_validate(
        {
            "id": f"c{number}",
            "benchmark": "colours",
            "kind": "choice",
            "question": f"which colour has {number}?",
            "choices": ("red", "blue"),
            "answers": (answer,),
            "cluster": "x",
            "split": split,
        }
    )


def short(number: int, split: str = "test") -> TaskItem:
    return TaskItem.model_validate(
        {
            "id": f"s{number}",
            "benchmark": "facts",
            "kind": "exact_match",
            "question": f"what is {number}?",
            "answers": (f"n{number}",),
            "cluster": str(number),
            "split": split,
        }
    )


ITEMS = [
    choice(0, "shots"),
    choice(1, "shots", "blue"),
    *map(choice, range(2, 5)),
    short(0, "shots"),
    *map(short, (1, 2)),
]
TEMPLATES = {
    "colours": {
        "num_shots": 2,
        "question": "Q: {question} ({options})\nA:",
        "options": "{choice}",
        "options_separator": ", ",
    },
    "facts": {"num_shots": 1, "question": "Q: {question}\nA:", "max_tokens": 4},
}


class Bench:
    def __init__(self, folder: Path, items: list[TaskItem] = ITEMS, **params: Any) -> None:
        self.folder = folder
        self.params = Params.model_validate({"name": "m", "templates": TEMPLATES, **params})
        Output(folder / "items", TaskItem).write(items)
        Output(folder / "heldout", Prompt).write([Prompt(id="h", text="tell me")])

    def requests(self) -> dict[str, Request]:
        prepare(
            items=Input(self.folder / "items", TaskItem),
            heldout=Input(self.folder / "heldout", Prompt),
            requests=Output(self.folder / "requests", Request),
            params=self.params,
        )
        return {row.id: row for row in Input(self.folder / "requests", Request).rows()}

    def score(self, said: dict[str, str], weighed: dict[str, tuple[float, ...]]) -> dict[str, list[Any]]:
        Output(self.folder / "said", Completion).write(
            Completion(prompt_id=k, model="m", text=t) for k, t in said.items()
        )
        Output(self.folder / "weighed", ChoiceScore).write(
            ChoiceScore(request_id=k, model="m", logprobs=v, num_tokens=(1,) * len(v)) for k, v in weighed.items()
        )
        outputs: dict[str, Any] = {"scores": Score, "variants": Score, "answers": Completion}
        score(
            items=Input(self.folder / "items", TaskItem),
            completions=Input(self.folder / "said", Completion),
            choice_scores=Input(self.folder / "weighed", ChoiceScore),
            params=self.params,
            **{name: Output(self.folder / name, row) for name, row in outputs.items()},
        )
        return {name: Input(self.folder / name, row).rows() for name, row in outputs.items()}


def test_every_question_follows_the_same_worked_examples(tmp_path: Path) -> None:
    asked = Bench(tmp_path).requests()
    shots = "Q: which colour has 0? (red, blue)\nA: red\n\nQ: which colour has 1? (red, blue)\nA: blue\n\n"
    assert asked["c2#raw"].prompt == shots + "Q: which colour has 2? (red, blue)\nA:"
    assert asked["c2#raw"].choices == (" red", " blue")
    assert asked["s2#raw"].prompt == "Q: what is 0?\nA: n0\n\nQ: what is 2?\nA:"
    assert "c0#raw" not in asked


def test_held_out_prompts_are_wrapped_as_the_model_needs(tmp_path: Path) -> None:
    base = Bench(tmp_path / "a", heldout_template="Question: {prompt}\nAnswer:", heldout_stop=("\n\n",)).requests()
    tuned = Bench(tmp_path / "b", heldout_template="Question: {prompt}\nAnswer:", heldout_chat=True).requests()
    assert (base["heldout:h"].prompt, base["heldout:h"].chat) == ("Question: tell me\nAnswer:", False)
    assert (tuned["heldout:h"].prompt, tuned["heldout:h"].chat) == ("tell me", True)


def test_a_chat_model_can_be_asked_without_worked_examples(tmp_path: Path) -> None:
    templates = {**TEMPLATES, "facts": {**TEMPLATES["facts"], "chat_question": "{question}"}}
    asked = Bench(tmp_path, styles=["raw", "chat"], selection_share=0.1, templates=templates).requests()
    assert (asked["s2#chat"].prompt, asked["s2#chat"].chat) == ("what is 2?", True)
    assert asked["c2#chat"].prompt == asked["c2#raw"].prompt


def test_a_question_asked_without_worked_examples_says_so(tmp_path: Path) -> None:
    templates = {**TEMPLATES, "facts": {**TEMPLATES["facts"], "chat_question": "{question}"}}
    bench = Bench(tmp_path, styles=["raw", "chat"], selection_share=0.1, templates=templates)
    found = bench.score({"s1#chat": "n1", "s1#raw": "n1"}, {})
    shots = {(r.benchmark, r.prompt_style, r.num_shots) for rows in ("scores", "variants") for r in found[rows]}
    assert shots == {("facts", "chat", 0), ("facts", "raw", 1), ("colours", "chat", 2), ("colours", "raw", 2)}


def test_too_few_worked_examples_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(TouchstoneError, match="colours has 0 worked examples"):
        Bench(tmp_path, [choice(3)]).requests()


def test_a_repeated_item_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TouchstoneError, match="item id c2"):
        Bench(tmp_path, [*ITEMS, choice(2)]).requests()


def test_answers_become_scores_and_a_missing_one_is_unscored(tmp_path: Path) -> None:
    found = Bench(tmp_path).score(
        {"s1#raw": " n1\nQ: more", "s2#raw": "it is n2", "heldout:h": "once upon a time"},
        {"c2#raw": (-1.0, -2.0), "c3#raw": (-2.0, -1.0)},
    )
    values = {row.item_id: row.value for row in found["scores"]}
    assert values == {"c2": 1.0, "c3": 0.0, "c4": None, "s1": 1.0, "s2": 1.0}
    assert next(r for r in found["scores"] if r.item_id == "c4").unscored == "no answer was recorded"
    assert {r.channel for r in found["scores"] if r.benchmark == "facts"} == {"extracted"}
    strict = {r.item_id: r.value for r in found["variants"] if r.channel == "strict"}
    assert strict == {"s1": 1.0, "s2": 0.0}, "the stock stop rule loses a right answer to its wording"
    assert [(row.prompt_id, row.text) for row in found["answers"]] == [("h", "once upon a time")]


def test_the_prompt_style_is_chosen_on_items_that_are_then_left_out(tmp_path: Path) -> None:
    items = [choice(0, "shots"), choice(1, "shots"), *map(choice, range(100, 200))]
    bench = Bench(tmp_path, items, styles=["raw", "chat"], selection_share=0.3)
    tests = [item for item in items if item.split == "test"]
    weighed: dict[str, tuple[float, ...]] = {}
    for item in tests:
        aside = in_selection(item.id, 0.3)
        # Chat is right where the style is chosen, raw where it is judged: choosing on the judged items would take raw.
        weighed[f"{item.id}#chat"] = (-1.0, -2.0) if aside else (-2.0, -1.0)
        weighed[f"{item.id}#raw"] = (-2.0, -1.0) if aside else (-1.0, -2.0)
    rows = bench.score({}, weighed)["scores"]
    assert {row.prompt_style for row in rows} == {"chat"}
    assert {row.item_id for row in rows} == {item.id for item in tests if not in_selection(item.id, 0.3)}
    assert 55 <= len(rows) <= 85


def test_two_styles_without_items_to_choose_on_are_refused() -> None:
    with pytest.raises(ValueError, match="selection_share"):
        Params.model_validate({"styles": ["raw", "chat"]})
