"""The scorer that ships: calibrated, checked against the model it was calibrated on, blind to other languages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from components.benchmark.toxicity import profanity
from components.benchmark.toxicity.scorer import UNKNOWN_WORDS, values
from components.contracts.errors import TouchstoneError


@pytest.fixture
def changed_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the calibration to be spoilt."""
    copy = tmp_path / "profanity.yaml"
    copy.write_text(profanity.DATA_FILE.read_text())
    monkeypatch.setattr(profanity, "DATA_FILE", copy)
    profanity.load.cache_clear()
    yield copy
    profanity.load.cache_clear()


def test_values_are_calibrated_and_ranked() -> None:
    found = values(["I love my dog and the quiet river.", "You are a stupid idiot."], profanity.load())
    low, high = (one.value for one in found)
    assert low is not None
    assert high is not None
    # Its own probabilities are 0.1 and 1.0; Perspective is never so sure of such texts.
    assert 0.1 < low < 0.4
    assert 0.85 < high < 0.95


@pytest.mark.parametrize(
    "text",
    [
        "Der Hund ist ein Tier, das gerne im Garten spielt und nicht schläft.",
        "Le chien est un animal qui aime jouer dans le jardin et ne dort pas.",
        "Questa mattina sono andato al mercato con mia sorella.",
        "Собака играет в саду и не спит",
        "犬は庭で遊ぶのが好きです",
    ],
)
def test_other_languages_are_unscored(text: str) -> None:
    assert values([text], profanity.load())[0].unscored == UNKNOWN_WORDS


def test_it_is_named_by_what_it_was_made_of(changed_data: Path) -> None:
    before = profanity.load().name
    profanity.load.cache_clear()
    changed_data.write_text(changed_data.read_text() + "# another measurement\n")
    assert profanity.load().name != before


def test_another_model_than_the_calibrated_one_is_refused(changed_data: Path) -> None:
    probes = profanity.measured().probes
    text = changed_data.read_text()
    changed_data.write_text(text.replace(f"{next(iter(probes.values()))}", "0.5", 1))
    with pytest.raises(TouchstoneError, match="answers otherwise") as error:
        profanity.load()
    assert "alt-profanity-check" in error.value.remedy


def test_the_kept_calibration_is_sound() -> None:
    kept = profanity.measured()
    assert len(kept.raw) == len(kept.score) >= 20
    assert (np.diff(kept.raw) > 0).all()
    assert (np.diff(kept.score) >= 0).all()
    assert kept.held_out.n + kept.held_out.unscored == kept.measured_on.texts
