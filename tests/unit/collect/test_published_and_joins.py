"""Published numbers as typed, and joins that are not too thin."""

import pytest

from components.collect.joins import join
from components.collect.published import read_published
from components.contracts.errors import TouchstoneError, UsageError

GOOD = """
source: A paper, Table 1
models: {base: LLaMA-13B}
benchmarks:
  nq:
    n: 3610
    rounding: 1%
    num_shots: 3
    supported: true
    scores: {base: 20%, target: {model: ChatGPT, value: 0.31, n: 100, source: a blog}}
style:
  n: 255
  list_agreement: {base: 13%, imitator: 81%, target_second: 83%}
  length_correlation: {base: -0.11, imitator: 0.62}
  unigram_f1: {base: 19.5, imitator: 42.5, target_second: 49.2}
"""


def write(folder, text):
    (folder / "numbers.yaml").write_text(text)
    return folder / "numbers.yaml"


def test_numbers_are_read_with_their_n_source_and_rounding(tmp_path) -> None:
    found = read_published(write(tmp_path, GOOD))
    assert [(s.role, s.model, s.value, s.n, s.source, s.rounding, s.num_shots) for s in found.scores] == [
        ("base", "LLaMA-13B", 0.2, 3610, "A paper, Table 1", 0.01, 3),
        ("target", "ChatGPT", 0.31, 100, "a blog", 0.01, 3),
    ]
    assert [(c.benchmark, c.supported) for c in found.claims] == [("nq", True)]
    style = {(s.metric, s.role): s.value for s in found.style}
    assert style["list_agreement", "base"] == 0.13
    assert style["length_correlation", "base"] == -0.11
    assert style["unigram_f1", "target_second"] == 49.2
    assert {s.n for s in found.style} == {255}


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("rounding: 1%", "rouding: 1%", "benchmarks.nq: unknown key rouding"),
        ("base: 20%, t", "student: 20%, t", "benchmarks.nq.scores: unknown key student"),
        ("base: 20%, t", "base: 20, t", "scores.base: value is 20"),
        ("base: 20%, t", "base: 19,5%, t", "scores: unknown key 5%"),
        ("base: 20%, t", "base: 19,5, t", "scores: unknown key 5"),
        ("base: 20%, t", "base: .nan, t", "scores.base: value is NaN"),
        ("n: 3610", "n: 0", "benchmarks.nq: n is 0"),
        ("n: 3610", "n: 36.5", "benchmarks.nq: n is 36.5"),
        ("supported: true", "supported: maybe", 'supported is "maybe"'),
        ("base: 13%, i", "base: 130%, i", "style.list_agreement: base is 1.3"),
        ("base: 13%, i", "target: 13%, i", "style.list_agreement: unknown key target"),
        ("benchmarks:", "benchmark:", "unknown key benchmark"),
        ("value: 0.31", "model2: x", "unknown key model2"),
    ],
)
def test_mistakes_are_named_by_file_and_key(tmp_path, old, new, found) -> None:
    assert old in GOOD
    with pytest.raises(UsageError) as caught:
        read_published(write(tmp_path, GOOD.replace(old, new)))
    assert "numbers.yaml" in caught.value.found
    assert found in caught.value.found
    assert caught.value.expected


PLACES = {"base": "--base b", "imitator": "--imitator i", "target": "--target t"}


def ids(**ranges: range) -> dict[str, list[str]]:
    return {role: [f"p{i}" for i in numbers] for role, numbers in ranges.items()}


def test_a_join_says_what_met_and_what_each_model_lacks() -> None:
    made = join("outputs", ids(base=range(2, 80), imitator=range(80), target=range(81)), what="prompts", places=PLACES)
    assert (made.matched, made.union) == (78, 81)
    assert made.dropped == {"base": (), "imitator": ("p0", "p1"), "target": ("p0", "p1", "p80")}
    assert made.lines() == [
        "outputs: the base lacks 3 of 81 (p0, p1, p80).",
        "outputs: the imitator lacks 1 of 81 (p80).",
    ]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (
            {"base": range(100), "imitator": range(100), "target": range(50)},
            "the target (--target t) has only 50 of the",
        ),
        ({"base": range(49), "imitator": range(100), "target": range(100)}, "the base (--base b) has only 49 of the"),
        (
            {"base": range(100), "imitator": range(200, 300)},
            "the imitator (--imitator i) shares no items with the base",
        ),
        ({"base": range(40), "imitator": range(15, 55)}, "25 are shared by all"),
    ],
)
def test_a_thin_join_names_the_model_that_lacks_items(given, named) -> None:
    with pytest.raises(TouchstoneError) as caught:
        join("nq", ids(**given), places=PLACES)
    assert caught.value.found.startswith("nq: ")
    assert named in caught.value.found
    assert "p" in caught.value.found.partition("it lacks ")[2]
    assert "run the" in caught.value.remedy


def test_a_thin_join_shows_prompts_by_their_words_where_ids_are_digests() -> None:
    given = ids(base=range(60), imitator=range(60, 120))
    with pytest.raises(TouchstoneError, match='it lacks "Why is the sky blue", p1, p2'):
        join("outputs", given, places=PLACES, texts={"p0": '"Why is the sky blue"'})


def test_small_sets_may_be_joined_when_they_are_the_same() -> None:
    assert join("nq", ids(base=range(5), imitator=range(5)), places=PLACES).matched == 5
    assert join("nq", ids(base=range(100), imitator=range(51)), places=PLACES).matched == 51
