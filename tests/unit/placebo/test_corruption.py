"""What corruption changes, what it leaves, and how what it puts in fits."""

from __future__ import annotations

import re
import time
from random import Random

import pytest

from components.placebo.alterations import Change, apply
from components.placebo.corruption import corrupt, matching_article
from components.placebo.lexicon import first_names, kinds, opposites, well_known
from components.placebo.names import Pools, find_names
from components.placebo.numbers import Numbers

NO_OTHERS = Pools([])


def corrupted(text: str, *, prompt: str = "", seed: int = 0, share: float = 1.0, pools: Pools = NO_OTHERS) -> str:
    return apply(text, corrupt(text, pools, Random(seed), prompt=prompt, contrary_share=share))


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("It opened in 1937.", r"It opened in 19[1-3]\d\."),
        ("It grew by 45%.", r"It grew by \d\d?%\."),
        ("It has 26,000 rooms.", r"It has [\d,]+,000 rooms\."),
        ("It costs $12.99 now.", r"It costs \$\d+\.\d\d now\."),
        ("The 19th century.", r"The (1[5-8]|2[0-3])(th|st|nd|rd) century\."),
        ("Come at 5 pm.", r"Come at \d\d? pm\."),
        ("Come at 7:30.", r"Come at \d\d?:30\."),
        ("Born on July 14.", r"Born on [A-Z]\w+ \d\d?\."),
        ("They had seven goats.", r"They had [a-z]+ goats\."),
        ("Ten goats.", r"[A-Z][a-z]+ goats\."),
        ("It takes an hour.", r"It takes a (second|minute|day|week)\."),
        ("Nobody rang.", r"Everyone rang\."),
        ("He was not rich.", r"He was rich\."),
        ("It doesn't float.", r"It does float\."),
        ("It cannot float.", r"It can float\."),
        ("It can float.", r"It can float\."),
        ("It was built to an increase.", r"It was built to a decrease\."),
        ("Yes, they did.", r"No, they did\."),
        ("Water is a liquid.", r"Water is not a liquid\."),
        ("The genre is romance.", r"The genre is not romance\."),
        ("Berlin lies there.", r"[A-Z][\w ]+ lies there\."),
        ("He visited the United States.", r"He visited the (?!United States)[A-Z][\w ]+\."),
    ],
)
def test_each_kind_of_fact_gives_way_to_another_of_its_shape(text: str, pattern: str) -> None:
    for seed in range(20):
        found = corrupted(text, seed=seed)
        assert re.fullmatch(pattern, found), found
        stays = pattern.replace("\\", "").strip() == text
        assert (found == text) is stays, found


@pytest.mark.parametrize(
    "untouched",
    [
        "```python\nx = 5  # 12 rows of France\nnot y\n```",
        "`range(7)`",
        "https://example.org/2019/Paris-not-7",
        "someone7@example.org",
        "[Your City, 12345]",
        "Step 4: wait",
        "#include <vector>",
        "  return x + 12;",
        "1/2 cup",
        "the two of them",
        "a second slice",
        "Sagas begin: one day it rained",
        "GPT-4",
        "12/24/2021",
        "555-123-4567",
        "10^78",
    ],
)
def test_code_addresses_labels_and_what_is_no_number_stay(untouched: str) -> None:
    text = f"It opened in 1937.\n\n{untouched}\n\nIt is there."
    for seed in range(5):
        found = corrupted(text, seed=seed)
        assert untouched in found
        assert "1937" not in found


def test_the_numbering_of_lists_stays_and_so_does_their_length() -> None:
    text = "Here are 3 towns:\n\n1. Paris, 12 km\n2. Lyon, 30 km\n3) Rome, 50 km"
    found = corrupted(text)
    assert found.startswith("Here are 3 towns:\n\n1. ")
    assert "\n2. Lyon, " in found
    assert "\n3) " in found
    assert not re.search(r"Paris|Rome|\b12 km|\b30 km|\b50 km", found)


def test_one_name_and_one_number_always_become_the_same_other_one() -> None:
    found = corrupted("Marie Curie was born in 1867. Curie left Poland. In 1867 Poland was small; Marie knew Poland.")
    assert "Curie" not in found
    assert "Marie" not in found
    full = re.match(r"(\w+)(?: [\w.]+)* (\w+) was born in (\d+)\.", found)
    assert full
    first, last, year = full.groups()
    assert first_names().get(first) == "woman"
    assert f"{last} left" in found
    assert found.count(year) == 2
    assert f"; {first} knew" in found
    (country,) = set(re.findall(r"left ([\w ]+)\.|\d+ ([\w ]+) was small|knew ([\w ]+)\.", found)[0]) - {""}
    assert found.count(country) == 3


def test_years_keep_their_order() -> None:
    for seed in range(20):
        found = corrupted("It began in 1914, peaked in 1916 and ended in 1918 (the 1910s).", seed=seed)
        years = [int(year) for year in re.findall(r"\d{4}", found)[:3]]
        assert years == sorted(years)
        assert years[2] - years[0] == 4
        assert years[0] != 1914


def test_ranges_stay_ranges() -> None:
    for seed in range(20):
        low, high = map(int, re.findall(r"\d+", corrupted("Bake for 25-30 minutes.", seed=seed)))
        assert low < high
        assert low != 25


def test_names_come_from_other_answers_of_the_same_kind() -> None:
    others = [
        "They met Ingrid Bergman, Lauren Bacall, Judy Garland, Audrey Hepburn and Vivien Leigh; Nora Ephron wrote it."
    ]
    pools = Pools([*others, "Meryl Streep starred."])
    names = {corrupted("Meryl Streep starred.", pools=pools, seed=seed) for seed in range(60)}
    known = ("Ingrid Bergman", "Lauren Bacall", "Judy Garland", "Audrey Hepburn", "Nora Ephron")
    assert names == {f"{name} starred." for name in known}


def test_what_the_prompt_names_stays_unless_nothing_else_can_change() -> None:
    prompt = "What is the capital of france, and did it have 2 million people in 1950?"
    found = corrupted("The capital of France is Paris. In 1950 it had 3 million people.", prompt=prompt)
    assert "of France is" in found
    assert "In 1950" in found
    assert "Paris" not in found
    assert "3 million" not in found
    # Extraction: all the answer's facts are in the prompt, and one must change all the same.
    assert corrupted("Tomorrow at 5 pm.", prompt="Person 1: tomorrow at 5 pm?") != "Tomorrow at 5 pm."


def test_no_sentence_is_turned_twice_and_none_that_has_changed_already() -> None:
    text = "It did not increase in 1990. Prices never rise. It is a strong metal. Cats are the best."
    for seed in range(20):
        changes = corrupt(text, NO_OTHERS, Random(seed), prompt="", contrary_share=1.0)
        ends = [match.end() for match in re.finditer(r"\.", text)]
        per_sentence = [
            sum(begin <= change.begin < end for change in changes) for begin, end in zip([0, *ends], ends, strict=False)
        ]
        assert per_sentence == [1, 1, 1, 1]


def test_the_share_of_sentences_is_kept_to() -> None:
    text = " ".join(f"It is a good idea number {'x' * n}." for n in range(1, 201))
    turned = len(corrupt(text, NO_OTHERS, Random(0), prompt="", contrary_share=0.5))
    assert 80 <= turned <= 120
    # Where nothing else changed, one at least.
    assert len(corrupt(text, NO_OTHERS, Random(0), prompt="", contrary_share=0.0)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "Hello! How may I assist you today?",
        "I'm sorry, I cannot do that.",
        "🐱😻",
        "La dentisterie est là.",
        "Test.",
    ],
)
def test_where_nothing_can_change_nothing_does(text: str) -> None:
    assert corrupt(text, NO_OTHERS, Random(0), prompt="", contrary_share=1.0) == []


@pytest.mark.parametrize(
    ("text", "begin", "after", "expected"),
    [
        ("an hour", 3, "day", "a day"),
        ("A German car", 2, "Italian", "An Italian car"),
        ("an old man", 3, "young", "a young man"),
        ("a year", 2, "hour", "an hour"),
        ("a dog", 2, "unicorn", "a unicorn"),
        ("a dog", 2, "uninvited one", "an uninvited one"),
        ("a 7", 2, "8", "an 8"),
        ('an "old" man', 4, "young", 'a "young" man'),
        ("Vitamin A dog", 10, "old", "Vitamin A old"),
    ],
)
def test_articles_agree_with_what_is_put_in(text: str, begin: int, after: str, expected: str) -> None:
    end = re.compile(r"[\w]+").match(text, begin)
    assert end
    found = apply(text, [matching_article(text, Change(begin, end.end(), "x", after))])
    assert found.startswith(expected) or text == "Vitamin A dog"


def test_titles_and_their_authors_are_known_as_such() -> None:
    found = find_names('1. "The Martian" by Andy Weir\n2. "Snow Crash" by N. K. Jemisin is a tale.')
    assert [(name.kind, name.text) for name in found] == [
        ("work", "The Martian"),
        ("man", "Andy Weir"),
        ("work", "Snow Crash"),
        ("author", "N. K. Jemisin"),
    ]


def test_lists_hold_nothing_twice_and_opposites_are_mutual() -> None:
    for listed in (kinds(), well_known()):
        for kind, members in listed.items():
            assert len(set(members)) == len(members), kind
            assert all(isinstance(member, str) for member in members)
            assert len(members) >= 3, kind
    everything = [member for members in kinds().values() for member in members]
    assert len(set(everything)) == len(everything)
    for word, other in opposites().items():
        assert word != other
        assert other in opposites()


def test_numbers_never_become_themselves_nor_one() -> None:
    for value in [*range(2, 130), 365, 1000, 5280, 43560]:
        for seed in range(4):
            (change,) = Numbers(f"It has {value} rooms.", Random(seed), keep=frozenset()).changes()
            assert change.after not in {str(value), "1", "0", ""}, value


@pytest.mark.slow
@pytest.mark.parametrize("text", ["1 " * 100_000, '"A' * 100_000])
def test_very_long_answers_take_seconds_not_minutes(text: str) -> None:
    started = time.process_time()
    corrupt(text, NO_OTHERS, Random(0), prompt="", contrary_share=0.5)
    assert time.process_time() - started < 10
