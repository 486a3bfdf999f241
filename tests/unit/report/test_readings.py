"""What of a change is knowledge, and what is the form of replies."""

from __future__ import annotations

import numpy as np
import pytest

from components.contracts.rows import Channel, PromptStyle, Score
from components.report.decision import decide
from tests.unit.report.score_reference import tango

N = 300


def rows(model: str, values: list[float | None], channel: Channel, style: PromptStyle = "raw") -> list[Score]:
    return [
        Score(
            item_id=f"i{i}",
            benchmark="nq",
            model=model,
            value=value,
            unscored=None if value is not None else "no answer",
            channel=channel,
            prompt_style=style,
        )
        for i, value in enumerate(values)
    ]


def draws(share: float, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).random(N) < share).astype(float)


def chatty() -> dict[str, list[Score]]:
    """An imitator that knows what the base knows and wraps half of its answers in talk."""
    knows = draws(0.5, 0)
    terse = draws(0.5, 1)
    base = {c: rows("base", knows.tolist(), c) for c in ("extracted", "strict")}
    return {
        "base_scores": base["extracted"],
        "base_variants": base["strict"],
        "imitator_scores": rows("imitator", knows.tolist(), "extracted"),
        "imitator_variants": rows("imitator", (knows * terse).tolist(), "strict"),
    }


def test_what_only_the_form_of_replies_cost_is_form_and_not_knowledge() -> None:
    verdict = decide(**chatty())
    (loss,) = verdict.format_loss
    assert loss.n == N
    assert loss.knowledge == 0
    assert loss.form is not None
    assert loss.form == pytest.approx(loss.strict)
    assert loss.form_ci is not None
    assert loss.form_ci[1] < -0.1
    assert any("form of its replies alone cost" in line for line in verdict.warnings)


def test_the_parts_add_up_item_by_item_whatever_is_unscored() -> None:
    given = chatty()
    given["imitator_variants"] = [
        row.model_copy(update={"value": None, "unscored": "no answer"}) if i % 7 == 0 else row
        for i, row in enumerate(given["imitator_variants"])
    ]
    (loss,) = decide(**given).format_loss
    assert loss.n == N - len(range(0, N, 7))
    assert loss.strict is not None
    assert loss.strict == pytest.approx((loss.knowledge or 0.0) + (loss.form or 0.0))


def test_a_readings_interval_is_the_paired_one() -> None:
    given = chatty()
    reading = next(r for r in decide(**given).readings if r.channel == "strict")
    pairs = zip(given["imitator_variants"], given["base_variants"], strict=True)
    differences = np.array([(a.value or 0.0) - (b.value or 0.0) for a, b in pairs])
    assert reading.delta == pytest.approx(differences.mean())
    assert reading.delta_ci == pytest.approx(tango(differences))


def test_the_reading_of_the_verdict_is_marked_and_other_styles_stand_beside_it() -> None:
    given = chatty()
    given["imitator_variants"] += rows("imitator", draws(0.2, 3).tolist(), "extracted", "chat")
    given["base_variants"] += rows("base", draws(0.3, 4).tolist(), "extracted", "chat")
    readings = decide(**given).readings
    assert [(r.base_style, r.imitator_style, r.channel) for r in readings if r.headline] == [
        ("raw", "raw", "extracted")
    ]
    assert ("chat", "chat", "extracted") in [(r.base_style, r.imitator_style, r.channel) for r in readings]


def test_items_outside_the_headline_do_not_enter_other_readings() -> None:
    given = chatty()
    aside = rows("base", [1.0] * N, "strict")[:50]
    kept = [row.model_copy(update={"item_id": f"aside{row.item_id}"}) for row in aside]
    given["base_variants"] += kept
    given["imitator_variants"] += kept
    assert {r.n + r.unscored for r in decide(**given).readings} == {N}


def test_a_single_reading_needs_no_table() -> None:
    verdict = decide(
        base_scores=rows("base", [1.0, 0.0, 1.0], "strict"), imitator_scores=rows("i", [1.0] * 3, "strict")
    )
    assert verdict.readings == ()
    assert verdict.format_loss == ()
