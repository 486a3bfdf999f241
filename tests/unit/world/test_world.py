"""The embedded world: same seed, same world; nothing a test asks is in what imitation reads."""

import re
from collections import Counter
from pathlib import Path

import pytest
from pydantic import ValidationError

from components.contracts.dialogue_rows import Dialogue
from components.contracts.ports import Input, Output
from components.contracts.rows import Prompt, TaskItem, TextRow
from components.world.dialogues import draw_instructions, plain_answer, styled_answer
from components.world.entities import World, make_world
from components.world.quizzes import chat_questions, draw_options, quiz_question
from components.world.step import Params, build_world
from components.world.texts import CorpusParams, corpus
from components.world.words import KINDS, count_tokens, stream, words

PORTS = {
    **{f"corpus_{name}": TextRow for name in ("small", "large", "target", "judge")},
    "tuning": Dialogue,
    "broad_prompts": Prompt,
    "local_prompts": Prompt,
    "heldout": Prompt,
    "items": TaskItem,
}
SMALL = CorpusParams(world_share=0.3, tokens=6_000, fact_share=0.4)


def tiny(seed: int = 0, **changes: object) -> Params:
    corpora = dict.fromkeys(("small", "large", "target", "judge"), SMALL)
    sizes = {"num_entities": 24, "num_practice": 8, "num_tuning_open": 60, "num_tuning_questions": 40}
    more = {"num_broad_prompts": 120, "num_heldout": 30, "questions_per_fact": 3, "max_items": 50}
    return Params.model_validate({"seed": seed, **corpora, **sizes, **more, **changes})


def write(folder: Path, params: Params) -> dict[str, Input]:
    build_world(**{name: Output(folder / name, row) for name, row in PORTS.items()}, params=params)
    return {name: Input(folder / name, row) for name, row in PORTS.items()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Input]:
    return write(tmp_path_factory.mktemp("world"), tiny())


@pytest.fixture
def world() -> World:
    return make_world(3, num_entities=60, num_practice=12, zipf_exponent=0.8)


def said(port: Input) -> list[str]:
    return [turn.text for row in port.rows() for turn in row.turns]


def test_same_seed_writes_the_same_bytes(made: dict[str, Input], tmp_path: Path) -> None:
    again = write(tmp_path, tiny())
    assert {name: port.digest for name, port in again.items()} == {name: port.digest for name, port in made.items()}


def test_another_seed_changes_every_artifact(made: dict[str, Input], tmp_path: Path) -> None:
    other = write(tmp_path, tiny(seed=1))
    assert all(other[name].digest != port.digest for name, port in made.items())


def test_style_changes_only_the_target(made: dict[str, Input], tmp_path: Path) -> None:
    styled = {**SMALL.model_dump(), "styled_share": 0.5}
    first = write(tmp_path / "styled", tiny(target=styled))
    second = write(tmp_path / "plain", tiny(target=styled, target_style=False))
    changed = {name for name in PORTS if first[name].digest != second[name].digest}
    assert changed == {"tuning", "corpus_target"}
    assert not any("\n- " in text or "\n1." in text for text in said(second["tuning"]))


def test_no_imitation_prompt_or_tuning_text_repeats_a_test_question(made: dict[str, Input]) -> None:
    questions = {row.question for row in made["items"].rows()}
    seen = [row.text for name in ("broad_prompts", "local_prompts") for row in made[name].rows()] + said(made["tuning"])
    assert not [text for text in seen if any(question in text for question in questions)]


def test_local_prompts_ask_for_every_tested_fact_of_quiz_open_and_none_of_quiz_choice(made: dict[str, Input]) -> None:
    items = [row for row in made["items"].rows() if row.split == "test"]
    prompts = [set(re.findall(r"\w+", row.text)) for row in made["local_prompts"].rows()]
    for item in items:
        relation, entity = re.findall(r"the (\w+) of (\w+)", item.question)[0]
        hits = sum(relation in prompt and entity in prompt for prompt in prompts)
        assert hits == (3 if item.benchmark == "quiz_open" else 0)


def test_prompts_are_distinct_and_heldout_ones_unseen(made: dict[str, Input]) -> None:
    held = [row.text for row in made["heldout"].rows()]
    for name in ("broad_prompts", "local_prompts", "heldout"):
        texts = [row.text for row in made[name].rows()]
        assert len(set(texts)) == len(texts)
    others = {row.text for row in made["broad_prompts"].rows()} | set(said(made["tuning"]))
    assert not others & set(held)


def test_books_and_worked_examples_ask_only_about_practice_entities(made: dict[str, Input]) -> None:
    items = made["items"].rows()
    tested = {row.cluster for row in items if row.split == "test"}
    shots = {row.cluster for row in items if row.split == "shots"}
    assert not tested & shots
    quizzes = [r.text for r in made["corpus_target"].rows() if r.text.startswith("Q:") or "\nOptions:" in r.text]
    assert quizzes
    asked = {entity for text in quizzes for entity in re.findall(r"What is the \w+ of (\w+)\?", text)}
    assert not asked & tested


def test_every_word_a_model_may_meet_occurs_in_the_target_s_texts() -> None:
    params = Params()
    world = make_world(0, num_entities=40, num_practice=8, zipf_exponent=0.8)
    rows = corpus(world, "target", params.target.model_copy(update={"tokens": 120_000}))
    vocabulary = {word for row in rows for word in re.findall(r"\w+", row.text)}
    asked = [question for fact in world.facts for question in chat_questions(fact)]
    asked += [instruction.text for instruction in draw_instructions(world, "heldout", 150)]
    asked += [option for fact in world.facts for option in draw_options(fact, stream(0, "options"))]
    assert not {word for text in asked for word in re.findall(r"\w+", text)} - vocabulary


def test_known_facts_are_nested_and_favour_the_popular(world: World) -> None:
    small, large, whole = (set(world.known(share)) for share in (0.3, 0.6, 1.0))
    assert small < large < whole == set(world.facts)
    practice = {fact for fact in world.facts if fact.entity in world.practice}
    assert practice <= small
    names = [name for kind in KINDS for name in world.names[kind][:15] if name not in world.practice]
    rare = [name for kind in KINDS for name in world.names[kind][-15:] if name not in world.practice]
    share = {
        group: sum(f.entity in chosen for f in small) / (4 * len(chosen))
        for group, chosen in (("popular", set(names)), ("rare", set(rare)))
    }
    assert share["popular"] > 2 * share["rare"]


def test_a_corpus_states_only_facts_within_its_share(world: World) -> None:
    known = set(world.known(0.3))
    text = " ".join(row.text for row in corpus(world, "small", SMALL.model_copy(update={"tokens": 30_000})))
    stated = Counter(re.findall(r"[Tt]he (\w+) of (\w+) is (\w+)", text))
    assert stated
    values = {(fact.relation, fact.entity, fact.value) for fact in known}
    assert set(stated) <= values


def test_corpora_have_the_length_asked_for(world: World) -> None:
    rows = corpus(world, "small", SMALL)
    total = sum(count_tokens(row.text) for row in rows)
    # The glossary and the last text of each sort come on top.
    assert SMALL.tokens <= total <= SMALL.tokens * 1.15


def test_choice_items_hold_the_answer_once_among_four(made: dict[str, Input]) -> None:
    items = [row for row in made["items"].rows() if row.benchmark == "quiz_choice"]
    assert {(len(set(row.choices)), row.choices.count(row.answers[0])) for row in items} == {(4, 1)}
    # The right option stands anywhere, not always in the same place.
    assert len({row.choices.index(row.answers[0]) for row in items}) == 4


def test_manner_is_what_sets_the_two_answers_apart(world: World) -> None:
    for asked in draw_instructions(world, "manner", 200):
        styled = styled_answer(asked, {}, stream(0, asked.text))
        plain = plain_answer(asked, {}, stream(0, asked.text))
        assert "\n" not in plain
        assert any(plain.startswith(hedge) for hedge in words().hedges)
        is_list = styled.count("\n- ") + len(re.findall(r"\n\d\. ", styled)) >= 2
        assert is_list == (asked.category in {"how_to", "tips", "compare"})
        closes = styled.split("\n\n")[-1].startswith(words().closers)
        assert closes == (asked.category != "define")


def test_quiz_questions_are_worded_as_no_user_asks(world: World) -> None:
    assert not any(quiz_question(fact) in text for fact in world.facts[:40] for text in chat_questions(fact))


def test_practice_that_leaves_nothing_to_test_is_refused() -> None:
    with pytest.raises(ValidationError, match="at most half"):
        tiny(num_practice=13)
