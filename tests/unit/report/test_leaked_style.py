"""Outputs that all answer leaked prompts were given all the same; the verdict says why they do not count."""

from components.contracts.data_rows import Overlap
from components.report.decision import decide
from tests.unit.report.rows_for_tests import profiles


def test_style_on_leaked_prompts_alone_says_so() -> None:
    styles = profiles(0.8, n=40)
    prompts = sorted({row.prompt_id for row in styles})
    leaked = [
        Overlap(item_id=prompt, benchmark="", bleu=90.0, ngram8=None, ngram13=None, cosine=0.9, dirty=True)
        for prompt in prompts
    ]
    assert decide(profiles=styles, overlap=leaked).style.reason == "every prompt repeats a training text"
    assert decide().style.reason == "no outputs were given"
