"""Our requests, answered by our engine, against lm-evaluation-harness on the same checkpoint: item by item."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.benchmark.answers import best_choice, stock_reply, strict_match
from components.benchmark.asking import Params
from components.benchmark.prompting import Template, item_requests
from components.benchmark.scoring import Recorded, item_scores
from components.contracts.rows import Request, TaskItem

pytest.importorskip("lm_eval")
from tests.unit.benchmark import harness_runs as harness

WORDS = ("the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "and", "an", "ox", "or", "one", "two")


def words(number: int, count: int) -> str:
    return " ".join(WORDS[(number * 7 + k * (number % 5 + 1)) % len(WORDS)] for k in range(count))


def mmlu_items(num_tests: int = 4) -> list[TaskItem]:
    """Questions of two subjects; white space around a question, and two options that read the same."""
    made = []
    for subject in harness.SUBJECTS:
        for number in range(5 + num_tests):
            seed = number + len(subject)
            choices = [words(seed + k, 3) for k in range(4)]
            if number == 6:
                choices[3] = choices[1]
            right = (1, 3)[number % 2] if number == 6 else seed % 4
            made.append(
                TaskItem(
                    id=f"{subject}/{number}",
                    benchmark="mmlu",
                    kind="choice",
                    question=f" {words(seed, 8)}?\n" if number % 3 == 0 else f"{words(seed, 8)}?",
                    choices=tuple(choices),
                    answers=(choices[right],),
                    right=right,
                    cluster=subject,
                    split="shots" if number < 5 else "test",
                )
            )
    return made


def nq_items(num_tests: int = 6) -> list[TaskItem]:
    return [
        TaskItem(
            id=f"q{number}",
            benchmark="nq_open",
            kind="exact_match",
            question=f"who is {words(number, 5)}",
            answers=(words(number + 3, 2), f"it's {number}", 'a "quoted" one'),
            cluster=str(number),
            split="shots" if number < 3 else "test",
        )
        for number in range(3 + num_tests)
    ]


def humaneval_items() -> list[TaskItem]:
    return [
        TaskItem(
            id=f"HumanEval/{n}",
            benchmark="humaneval",
            kind="program",
            question=f'from typing import List\n\n\ndef add_{n}(x: int) -> int:\n    """ Add {n}.\n    """\n',
            answers=(f"    return x + {n}\n",),
            tests=f"def check(candidate):\n    assert candidate(1) == {n + 1}\n",
            entry_point=f"add_{n}",
            cluster=str(n),
        )
        for n in range(3)
    ]


def asked(items: list[TaskItem], **changes: Any) -> tuple[Template, list[Request]]:
    template = Params().template(items).model_copy(update=changes)
    return template, item_requests(items, template, ["raw"], 0)


def scored(items: list[TaskItem]) -> list[TaskItem]:
    return [item for item in items if item.split == "test"]


def answer(model: Path, requests: list[Request]) -> Any:
    from components.generate.hf.engine import HfBackend

    return HfBackend(model, batch_size=16).answer(requests, "m")


def check_mmlu(folder: Path, model: Path, items: list[TaskItem]) -> list[float]:
    """Prompts, log-probabilities, predictions and acc of every item; gives the values."""
    template, requests = asked(items, free_text_tokens=0)
    names = harness.mmlu_tasks(folder, items)
    reference = harness.evaluate(folder, names, model)["samples"]
    weighed = {row.request_id: row for row in answer(model, requests).choice_scores}
    prompts = {request.id: request for request in requests}
    values = {row.item_id: row.value for row in item_scores(items, template, ["raw"], Recorded({}, weighed), "m")}
    found = []
    for name in names:
        mine = [item for item in scored(items) if f"mmlu_{item.cluster}" == name]
        assert len(mine) == len(reference[name])
        for sample in reference[name]:
            item = mine[sample["doc_id"]]
            request, row = prompts[f"{item.id}#raw"], weighed[f"{item.id}#raw"]
            assert [(request.prompt, choice) for choice in request.choices] == [tuple(a) for a in sample["arguments"]]
            theirs = [value for value, _ in sample["filtered_resps"]]
            assert row.logprobs == pytest.approx(theirs, abs=1e-4)
            assert best_choice(row.logprobs) == int(np.argmax(theirs))
            assert values[item.id] == sample["acc"]
            found.append(float(sample["acc"]))
    return found


def check_nq(folder: Path, model: Path, items: list[TaskItem], **changes: Any) -> list[float]:
    """Prompts, cut replies and exact match of every item; gives the values."""
    template, requests = asked(items, **changes)
    more = {"gen_kwargs": {"max_gen_toks": template.max_tokens}}
    reference = harness.evaluate(folder, [harness.nq_task(folder, items)], model, **more)["samples"]["nq_open"]
    said = {row.prompt_id: row for row in answer(model, requests).completions}
    prompts = {request.id: request.prompt for request in requests}
    strict = {
        row.item_id: row.value
        for row in item_scores(items, template, ["raw"], Recorded(said, {}), "m")
        if row.channel == "strict"
    }
    mine = scored(items)
    assert len(mine) == len(reference)
    for sample in reference:
        item = mine[sample["doc_id"]]
        assert prompts[f"{item.id}#raw"] == sample["arguments"][0][0]
        assert stock_reply(said[f"{item.id}#raw"].text) == sample["filtered_resps"][0]
        assert strict[item.id] == sample["exact_match"], (said[f"{item.id}#raw"].text, item.answers)
    return [float(sample["exact_match"]) for sample in reference]


@pytest.fixture(scope="module", params=["gpt2", "llama", pytest.param("gpt_neox", marks=pytest.mark.slow)])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return harness.checkpoint(tmp_path_factory.mktemp(request.param), request.param)


@pytest.mark.slow
def test_mmlu_equals_the_harness_item_by_item(model: Path, tmp_path: Path) -> None:
    check_mmlu(tmp_path, model, mmlu_items())


@pytest.mark.slow
def test_nq_replies_equal_the_harnesss_under_its_stop_rule(model: Path, tmp_path: Path) -> None:
    check_nq(tmp_path, model, nq_items())


@pytest.mark.slow
def test_humaneval_prompts_stops_and_replies_equal_the_harnesss(tmp_path: Path) -> None:
    model = harness.checkpoint(tmp_path / "model", "gpt2")
    items = humaneval_items()
    template, requests = asked(items)
    own = harness.own_definition("humaneval/humaneval.yaml")
    assert template.stop == tuple(own["generation_kwargs"]["until"])
    assert template.max_tokens == own["generation_kwargs"]["max_gen_toks"]
    assert (template.num_shots, template.temperature) == (own["num_fewshot"], 0.0)
    tasks, more = [harness.humaneval_task(tmp_path, items)], {"gen_kwargs": {"max_gen_toks": 64}}
    reference = harness.evaluate(tmp_path, tasks, model, **more)["samples"]["humaneval"]
    short = [request.model_copy(update={"max_tokens": 64}) for request in requests]
    said = {row.prompt_id: row.text for row in answer(model, short).completions}
    for sample, request in zip(reference, requests, strict=True):
        prompt, settings = sample["arguments"][0]
        assert (prompt, tuple(settings["until"])) == (request.prompt, request.stop)
        assert said[request.id] == sample["resps"][0][0]
        assert sample["target"] == f"{items[sample['doc_id']].tests}\ncheck({items[sample['doc_id']].entry_point})"


@pytest.mark.slow
def test_a_model_that_knows_some_answers_gets_the_harnesss_exact_match(tmp_path: Path) -> None:
    items = nq_items(8)
    _, requests = asked(items)
    tests = scored(items)
    # Right, wrong, right and chatty, right with a full stop and a space before it, an alias in capitals, ...
    replies = [
        f" {tests[0].answers[0]}\nQ: who",
        " nobody\nQ: who",
        f" It is {tests[2].answers[0]}.\nQ:",
        f" {tests[3].answers[0]} . Really\nQ:",
        f" THE {tests[4].answers[1].upper()}, of course\nQ:",
        f"\n{tests[5].answers[0]}\nQ:",
        f" The {tests[6].answers[0]}\nQ:",
        f' An "{tests[7].answers[0]}"\nQ:',
    ]
    model = harness.trained(tmp_path / "model", [r.prompt + t for r, t in zip(requests, replies, strict=True)])
    values = check_nq(tmp_path, model, items)
    assert 0 < sum(values) < len(values), "a model that is always wrong, or always right, tells nothing"
    said = {row.prompt_id: row.text for row in answer(model, requests).completions}
    assert said["q3#raw"].startswith(replies[0].split("\n")[0]), "it learned what it was taught"


def test_exact_match_is_the_harnesss_on_awkward_replies() -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lm_eval.api.metrics import exact_match_hf_evaluate
    options = harness.own_definition("nq_open/nq_open.yaml")["metric_list"][0]
    chosen = {key: options[key] for key in ("ignore_case", "ignore_punctuation", "regexes_to_ignore")}
    answers = ["The Beatles", "U.S.A", "an ox", "Paris  France", "é", "a", "I.", "THE", "Al's"]
    replies = [
        *answers,
        "Beatles",
        "the beatles ",
        "usa",
        "USA",
        "ox",
        "An ox",
        "AN ox",
        "Paris France",
        "É",
        "",
        "als",
    ]
    replies += ["beatles the ", "The The Beatles", "theatre", " Beatles\t", "a b", "I"]
    for reply in replies:
        for answer_ in answers:
            expected = exact_match_hf_evaluate(predictions=[reply.strip()], references=[answer_], **chosen)
            assert strict_match(reply, [answer_], ()) == bool(expected["exact_match"]), (reply, answer_)
