"""The support map: what it finds near, and what must not move it."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from components.contracts import bind
from components.contracts.dialogue_rows import Dialogue
from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import Support
from components.contracts.ports import Input, write_rows
from components.contracts.rows import TaskItem, Turn
from components.overlap.step import support
from components.overlap.support import SupportParams, measure_support

COLOURS = ["red", "green", "blue", "black", "white", "amber", "violet", "ivory"]
RIVERS = [f"river{n}" for n in range(60)]


def _dialogues(texts: Iterable[str], source: str = "s") -> list[Dialogue]:
    return [
        Dialogue(
            id=f"{source}{n}",
            source=source,
            target="t",
            turns=(Turn(speaker="user", text=text), Turn(speaker="assistant", text="answer")),
        )
        for n, text in enumerate(texts)
    ]


NEAR = _dialogues((f"what is the length of {name} in kilometres" for name in RIVERS), "rivers")
FAR = _dialogues((f"write a poem about {a} and {b} clouds" for a in COLOURS for b in COLOURS), "poems")
ITEMS = {f"i{n}": f"what is the length of {name}" for n, name in enumerate(RIVERS)}


def test_data_that_ask_the_same_support_and_others_do_not() -> None:
    near, far = measure_support(ITEMS, NEAR), measure_support(ITEMS, FAR)
    assert near.supported
    assert not far.supported
    assert near.mean > 3 * far.mean


def test_each_item_names_its_nearest_dialogue() -> None:
    found = measure_support(ITEMS, NEAR + FAR).items
    assert found["i7"].nearest == "rivers7"
    assert measure_support({"x": "xylophone"}, NEAR).items["x"] == (0.0, "")


def test_equal_texts_are_exactly_one_and_never_above() -> None:
    texts = {f"i{n}": dialogue.turns[0].text for n, dialogue in enumerate(NEAR)}
    similarities = [item.similarity for item in measure_support(texts, NEAR).items.values()]
    assert similarities == pytest.approx([1.0] * len(similarities))
    assert max(similarities) <= 1.0


def test_only_user_turns_count_as_prompts() -> None:
    answers = [
        row.model_copy(update={"turns": (Turn(speaker="user", text="go on"), Turn(speaker="assistant", text=text))})
        for row, text in zip(NEAR, ITEMS.values(), strict=True)
    ]
    assert measure_support(ITEMS, answers).mean == 0.0


def test_the_order_of_the_data_does_not_matter_and_the_seed_does() -> None:
    data = NEAR + FAR + _dialogues((f"tell me {n} about {COLOURS[n % 8]}" for n in range(300)), "more")
    shuffled = data.copy()
    random.Random(1).shuffle(shuffled)
    assert measure_support(ITEMS, shuffled) == measure_support(ITEMS, data)
    whole = _dialogues([row.turns[0].text for row in data])
    seeds = {measure_support(ITEMS, whole, params=SupportParams(seed=seed)).mean for seed in range(3)}
    assert len(seeds) == 3


def test_a_small_local_source_is_found_inside_a_broad_mix() -> None:
    broad = _dialogues((f"write story {n} about {COLOURS[n % 8]} cloud{n}" for n in range(3000)), "broad")
    mixed = measure_support(ITEMS, broad + NEAR)
    assert mixed.source == "source rivers"
    assert mixed.supported
    diluted = [row.model_copy(update={"id": f"b{n}", "source": "one"}) for n, row in enumerate(broad + NEAR)]
    assert measure_support(ITEMS, diluted).mean < mixed.mean - 0.2


@pytest.mark.parametrize(
    ("sizes", "subsample", "threshold"),
    [
        ((1000,), 1000, 0.25),
        ((999,), 100, 0.14),
        ((5,), 100, 0.14),
        ((2000, 1000), 1000, 0.25),
        ((2000, 40), 100, 0.14),
        ((2000, 20), 1000, 0.25),
    ],
)
def test_the_threshold_belongs_to_the_subsample_size(sizes: tuple[int, ...], subsample: int, threshold: float) -> None:
    data = [d for s, size in enumerate(sizes) for d in _dialogues((f"ask {n}" for n in range(size)), f"s{s}-")]
    measured = measure_support({"i": "ask"}, data, params=SupportParams(num_subsamples=1))
    assert (measured.subsample, measured.threshold) == (subsample, threshold)


@pytest.mark.parametrize(("texts", "data"), [({}, NEAR), (ITEMS, []), (ITEMS, _dialogues([" "]))])
def test_nothing_to_compare_is_an_error_with_a_remedy(texts: dict[str, str], data: list[Dialogue]) -> None:
    with pytest.raises(TouchstoneError, match=r"items and \d+ user turns") as caught:
        measure_support(texts, data)
    assert "--train" in caught.value.remedy


def test_texts_without_words_are_no_reason_to_stop() -> None:
    assert measure_support({"i": "?"}, _dialogues(["!"])).mean == 0.0


def test_the_step_writes_rows_and_the_threshold(tmp_path: Path) -> None:
    items = [
        TaskItem(
            id=name,
            benchmark="lengths",
            kind="exact_match",
            question=text,
            answers=("1",),
            cluster=name,
            split="shots" if name == "i0" else "test",
        )
        for name, text in ITEMS.items()
    ]
    write_rows(tmp_path / "dialogues", Dialogue, NEAR)
    write_rows(tmp_path / "items", TaskItem, items)
    outcome = bind.call(
        support, dialogues=tmp_path / "dialogues", items=tmp_path / "items", support=tmp_path / "support"
    )
    written = Input(tmp_path / "support", Support)
    rows = written.rows()
    assert {row.item_id for row in rows} == set(ITEMS) - {"i0"}
    assert written.manifest.notes["threshold"] == 0.14
    assert written.manifest.notes["supported"] == {"lengths": True}
    assert outcome.metrics["support_lengths"] == pytest.approx(sum(r.similarity for r in rows) / len(rows))


@pytest.mark.slow
def test_fourteen_thousand_items_take_seconds() -> None:
    words = random.Random(0).choices([f"word{n}" for n in range(20_000)], k=14_000 * 30)
    items = {f"i{n}": " ".join(["what is the", *words[30 * n : 30 * n + 30]]) for n in range(14_000)}
    data = _dialogues(" ".join(["what is the", *words[40 * n : 40 * n + 40]]) for n in range(5_000))
    started = time.process_time()
    measure_support(items, data)
    assert time.process_time() - started < 15.0
