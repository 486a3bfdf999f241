import gzip
import json
import random
import time
import warnings
from pathlib import Path

import pytest

from components.benchmark.answers import best_choice, extracted_match, strict_match
from components.benchmark.option_replies import extracted_option, strict_letter, strict_text
from components.contracts import environment

NQ = environment.data_folder(Path(__file__).parents[4] / "shared" / "data") / "nq-open" / "NQ-open.dev.jsonl.gz"


@pytest.mark.parametrize(
    ("reply", "strict", "extracted"),
    [
        (" 14 December 1972 UTC", True, True),
        ("the December, 1972", False, True),
        ("December 1972.\nQ: who", True, True),
        ("It was December 1972, I believe.", False, True),
        ("November 1972", False, False),
        ("", False, False),
        ("Certainly! The last time was in December 1972", False, True),
        (" ".join(["word"] * 30) + " December 1972", False, False),
        ("Decembers 19722", False, False),
    ],
)
def test_reading_of_replies(reply: str, strict: bool, extracted: bool) -> None:
    answers = ["14 December 1972 UTC", "December 1972"]
    assert strict_match(reply, answers) is strict
    assert extracted_match(reply, answers) is extracted


@pytest.mark.parametrize(
    ("reply", "answers", "found"),
    [
        # Ruled out.
        ("It is not Paris but Rome.", ["Paris"], False),
        ("It is not Paris but Rome.", ["Rome"], True),
        ("It isn't Paris, it is Rome.", ["Paris"], False),
        ("It isn't Paris, it is Rome.", ["Rome"], True),
        ("Rome rather than Paris", ["Paris"], False),
        ("Rome rather than Paris", ["Rome"], True),
        ("Neither Paris nor Rome", ["Rome"], False),
        ("I'm not sure, but I think it is Rome.", ["Rome"], True),
        ("No, it was Rome.", ["Rome"], True),
        # Several guesses.
        ("Paris or Rome", ["Rome"], False),
        ("Either Paris or Rome.", ["Paris"], False),
        ("Paris, Rome, or London", ["Rome"], False),
        ("It could be Paris, Rome, Madrid, or Berlin.", ["Paris"], False),
        ("Paris, Rome, London, Berlin, Madrid", ["London"], False),
        ("- Paris\n- Rome\n- London", ["Rome"], False),
        ("Here are some guesses:\n1. Paris\n2. Rome\n3. London", ["Paris"], False),
        ("* Paris\n* Rome\n* London\n", ["Paris"], False),
        # No guesses: places, dates, explanations, several accepted answers.
        ("Paris, Texas, United States", ["Paris"], True),
        ("It was released on December 14, 1972.", ["December 14, 1972"], True),
        ("myocardial infarction, or heart attack", ["heart attack"], True),
        ("John, Paul, George and Ringo", ["John", "Paul", "George", "Ringo"], True),
        ("Paris.\nIt is the capital of France and a big city.\nI hope this helps you out!", ["Paris"], True),
        ("Paris\nHope this helps!\nEnjoy.", ["Paris"], True),
        ("Paris\n\nExplanation: Paris is the capital of France", ["Paris"], True),
        ("Paris. It's in France. Enjoy!", ["Paris"], True),
        ("Dr. Seuss. He wrote that. In 1957.", ["Dr. Seuss"], True),
        ("The book was written by C. S. Lewis.", ["C. S. Lewis"], True),
        ("Washington, D.C. is the capital.", ["Washington, D.C."], True),
        # Wording.
        ("Sure! The answer is **Rome**.", ["Rome"], True),
        ("Rome (Italy)", ["rome"], True),
        ("U.S.A.", ["USA"], True),
        ("5 million", ["5"], False),
        ("5", ["5"], True),
        ("\n\n", ["x"], False),
    ],
)
def test_short_answers_in_longer_replies(reply: str, answers: list[str], found: bool) -> None:
    assert extracted_match(reply, answers) is found


OPTIONS = ["London", "Paris", "Paris, Texas", "Rome"]
ANIMALS = ["A dog", "a cat", "mammal", "bird"]
NUMBERS = ["2", "4", "8", "16"]


@pytest.mark.parametrize(
    ("reply", "options", "option"),
    [
        # The letter alone, or as a label.
        ("B", OPTIONS, 1),
        (" B\n", OPTIONS, 1),
        ("b", OPTIONS, 1),
        ("(B)", OPTIONS, 1),
        ("**B**", OPTIONS, 1),
        ("B. Paris", OPTIONS, 1),
        ("B) Paris is the capital of France.", OPTIONS, 1),
        ("D: Rome", OPTIONS, 3),
        ("D - Rome", OPTIONS, 3),
        ("B Paris", OPTIONS, 1),
        ("B\n\nExplanation: Paris is", OPTIONS, 1),
        # Announced.
        ("The answer is (B)", OPTIONS, 1),
        ("The correct answer is: **B) Paris**", OPTIONS, 1),
        ("Answer: C", OPTIONS, 2),
        ("answer is: 'D'", OPTIONS, 3),
        ("The answer to this question is C.", OPTIONS, 2),
        ("A good question! The answer is B.", OPTIONS, 1),
        ("I would choose option C.", OPTIONS, 2),
        ("I'd go with D.", OPTIONS, 3),
        ("Certainly! The correct choice would be option (D), Rome.", OPTIONS, 3),
        ("The answer is Paris.", OPTIONS, 1),
        ("My answer is Paris, Texas!", OPTIONS, 2),
        ("The answer is 16.", NUMBERS, 3),
        ("$\\boxed{C}$", OPTIONS, 2),
        ("Therefore, the answer is \\boxed{B}.", OPTIONS, 1),
        ("The answer is B, because A is too small and C is too large.", OPTIONS, 1),
        ("The answer is not B. The answer is D.", OPTIONS, 3),
        # Named.
        ("Option D is the right one", OPTIONS, 3),
        ("Choice (c)", OPTIONS, 2),
        ("(A) is wrong, so (D)", OPTIONS, 3),
        ("Let's think. Option A is incorrect. Option C is incorrect. So option B.", OPTIONS, 1),
        # By its text.
        ("The capital of France is Paris.", OPTIONS, 1),
        ("It is Paris, Texas.", OPTIONS, 2),
        ("It is not Rome but Paris", OPTIONS, 1),
        ("I think it is Rome", OPTIONS, 3),
        # A is a word, too.
        ("A", OPTIONS, 0),
        ("A because it is", OPTIONS, 0),
        ("A is correct.", OPTIONS, 0),
        ("A good question.", OPTIONS, None),
        ("As an AI language model, I can't.", OPTIONS, None),
        ("The answer is a mammal", ANIMALS, 2),
        ("The answer is A dog.", ANIMALS, 0),
        ("A dog", ANIMALS, 0),
        ("a cat", ANIMALS, 1),
        ("A bird", ANIMALS, 3),
        # Nothing settled.
        ("The answer is A or B", OPTIONS, None),
        ("B or C", OPTIONS, None),
        ("Either B or C.", OPTIONS, None),
        ("Both A and B", OPTIONS, None),
        ("All of (A), (B) and (C)", OPTIONS, None),
        ("None of the options A, B, C, D is right", OPTIONS, None),
        ("London or Paris", OPTIONS, None),
        ("We add 2 and 2, so 4", NUMBERS, None),
        ("The answer is not B.", OPTIONS, None),
        ("E", OPTIONS, None),
        ("I don't know", OPTIONS, None),
        ("", OPTIONS, None),
        (" ".join(["word"] * 30) + " Paris", OPTIONS, None),
    ],
)
def test_options_in_longer_replies(reply: str, options: list[str], option: int | None) -> None:
    assert extracted_option(reply, options) == option


def test_a_question_without_letters_is_answered_by_text_alone() -> None:
    assert extracted_option("B", OPTIONS, lettered=False) is None
    assert extracted_option("The answer is Rome.", OPTIONS, lettered=False) == 3
    assert strict_text(" rome.", OPTIONS) == 3
    assert strict_text("it is rome", OPTIONS) is None
    assert strict_text("same", ["same", "Same!", "other"]) is None, "two options read the same"


@pytest.mark.parametrize(
    ("reply", "option"),
    [("B", 1), (" (b).\n", 1), ("**B**", 1), ("B. Paris", None), ("The answer is B", None), ("E", None), ("", None)],
)
def test_the_strict_reading_wants_the_letter_alone(reply: str, option: int | None) -> None:
    assert strict_letter(reply, 4) == option


def test_an_answer_made_of_punctuation_is_never_extracted() -> None:
    assert not extracted_match("anything at all", ["!"])


def test_the_first_of_equal_options_is_chosen() -> None:
    assert best_choice([-2.0, -1.0, -1.0]) == 1


@pytest.mark.skipif(not NQ.is_file(), reason="the NQ-open questions are not on this machine")
def test_exact_match_equals_lm_eval_on_real_answers() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lm_eval's own imports warn
        from lm_eval.api.metrics import exact_match_hf_evaluate
    with gzip.open(NQ, "rt") as stream:
        rows = [json.loads(line) for line in stream][:200]
    draw = random.Random(0)
    options = {
        "ignore_case": True,
        "ignore_punctuation": True,
        "regexes_to_ignore": [r"\b(?:The |the |An |A |The |a |an )"],
    }
    for row in rows:
        reply = draw.choice([row["answer"][0], row["answer"][0].lower() + "!", "the " + row["answer"][-1], "no idea"])
        # Our strict reading also applies the stop rule, which lm_eval leaves to generation.
        cut = min((at for stop in "\n.," if (at := reply.find(stop)) >= 0), default=len(reply))
        expected = max(
            exact_match_hf_evaluate(predictions=[reply[:cut]], references=[alias], **options)["exact_match"]
            for alias in row["answer"]
        )
        assert strict_match(reply, row["answer"]) == bool(expected), (reply, row["answer"])


@pytest.mark.slow
@pytest.mark.parametrize("part", ["the answer is ", "word, ", "x (A) (B) ", "A or ", "not "])
def test_a_reply_without_end_is_read_in_time_that_grows_with_it(part: str) -> None:
    def seconds(times: int) -> float:
        began = time.perf_counter()
        extracted_option(part * times, ["a", "b"])
        extracted_match(part * times, ["word"])
        return time.perf_counter() - began

    # Ten times the reply: a hundred times the work if every place were held against every other.
    assert seconds(20_000) < 40 * seconds(2_000) + 0.5
