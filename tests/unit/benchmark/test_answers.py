import gzip
import json
import random
import warnings
from pathlib import Path

import pytest

from components.benchmark.answers import best_choice, extracted_match, strict_match
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
