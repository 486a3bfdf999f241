"""AlpacaEval's own control for length beside ours for style, at the level of the published win rates.

The leaderboard has variants of GPT-4 that were told to be verbose or concise; they are not among what is stored in
`alpaca-eval`. Stored are the rows and outputs of NullModel, alpaca-7b, gpt-3.5-turbo-0301, gpt-3.5-turbo-0613,
oasst-sft-pythia-12b, text_davinci_001, text_davinci_003, vicuna-7b and vicuna-13b, in two leaderboards. What NullModel
does to a judge's qualification, and weak answers long and short in its place: `test_qualification_real_data.py`. Here
the models whose lengths differ as a told variant's would (51 to 175 words beside 53) are held against the published
length-controlled rates.
"""

from __future__ import annotations

import csv
from functools import cache

import pytest

from tests.golden import test_style_preference_real_data as stored

BOARDS = ("alpaca_eval_1_gpt4.csv", "alpaca_eval_2_weighted_gpt4_turbo.csv")
pytestmark = [stored.pytestmark, pytest.mark.slow]


@cache
def _published() -> dict[str, tuple[float, float]]:
    """Model -> (win rate, length-controlled win rate) against text_davinci_003, as shares."""
    with (stored.DATA / "leaderboards" / BOARDS[0]).open(encoding="utf-8", newline="") as stream:
        rows = {row[""]: row for row in csv.DictReader(stream)}
    return {
        model: (float(rows[model]["win_rate"]) / 100, float(rows[model]["length_controlled_winrate"]) / 100)
        for model in stored.MODELS
    }


def test_no_model_that_was_told_to_be_verbose_or_concise_is_stored() -> None:
    names = {path.name.partition(".json")[0] for path in (stored.DATA / "outputs").iterdir()}
    for board in BOARDS:
        with (stored.DATA / "leaderboards" / board).open(encoding="utf-8", newline="") as stream:
            names |= {row[""] for row in csv.DictReader(stream)}
    assert len(names) == 9
    assert not [name for name in names if "verbose" in name or "concise" in name]


@pytest.mark.parametrize("model", ["vicuna-13b", "gpt-3.5-turbo-0301"])
def test_length_control_says_of_the_chatty_what_style_held_equal_says(model: str) -> None:
    plain, controlled = _published()[model]
    found = stored._adjusted(model)
    assert found.adjusted is not None
    assert found.adjusted_ci is not None
    low, high = (0.5 + bound for bound in found.adjusted_ci)
    # The plain rate lies outside what is left when style is held equal, the length-controlled one inside.
    assert low < controlled < high < plain
    assert 0.5 + found.adjusted == pytest.approx(controlled, abs=0.03)


def test_models_come_in_the_same_order_by_both_controls() -> None:
    controlled = sorted(stored.MODELS, key=lambda model: _published()[model][1])
    ours = sorted(stored.MODELS, key=lambda model: stored._adjusted(model).adjusted or 0.0)
    assert ours == controlled
    # A liking for length is not all there is: who lost for other reasons still loses, under either control.
    for model in ("alpaca-7b", "text_davinci_001"):
        assert _published()[model][1] < 0.5
        assert (stored._adjusted(model).adjusted or 0.0) < 0
