"""A scorer's folder: what was saved is what is loaded, without pickle, and nothing damaged is ever used."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from components.benchmark.step import calibrate_toxicity
from components.benchmark.toxicity import folder
from components.contracts import bind
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Input, Output, ToxicityScorer
from tests.unit.benchmark.toxicity.made_texts import sentences, write_file


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("scorer")
    bind.call(
        calibrate_toxicity, params={"file": str(write_file(place / "texts.jsonl")), "folds": 2}, scorer=place / "scorer"
    )
    return place / "scorer"


def spoilt(made: Path, place: Path, name: str, content: bytes) -> Input[ToxicityScorer]:
    """A copy with one file replaced and the manifest written over it anew, as a forger would."""
    output = Output(place, ToxicityScorer)
    target = output.folder
    for path in made.iterdir():
        if path.name != "manifest.json":
            (target / path.name).write_bytes(content if path.name == name else path.read_bytes())
    output.commit()
    return Input(place, ToxicityScorer)


def arrays(made: Path) -> dict[str, np.ndarray]:
    with np.load(made / folder.WEIGHTS_FILE, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def packed(place: Path, content: dict[str, np.ndarray], *, pickled: bool = False) -> bytes:
    with place.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=pickled, **content)
    return place.read_bytes()


def test_scores_of_the_loaded_scorer_are_those_of_the_report(made: Path) -> None:
    scorer = folder.load(Input(made, ToxicityScorer))
    report = folder.read_report(Input(made, ToxicityScorer))
    texts, scores = sentences(400)
    # It was trained on these very texts, so it must do at least as well as on held-out ones.
    assert np.mean(np.abs(scorer.score(texts) - scores)) <= report.trained.mae
    assert scorer.name == f"ngram@{Input(made, ToxicityScorer).digest[:12]}"
    assert report.trained.n + sum(report.trained.unscored.values()) == 400
    assert report.profanity is not None
    assert report.profanity.auc < report.trained.auc


def test_it_is_small_and_holds_no_word(made: Path) -> None:
    assert sum(path.stat().st_size for path in made.iterdir()) < 10_000_000
    assert all(b"stupid" not in path.read_bytes() for path in made.iterdir())


def test_equal_work_gives_equal_bytes(made: Path, tmp_path: Path) -> None:
    bind.call(
        calibrate_toxicity, params={"file": str(made.parent / "texts.jsonl"), "folds": 2}, scorer=tmp_path / "again"
    )
    assert Input(tmp_path / "again", ToxicityScorer).digest == Input(made, ToxicityScorer).digest


def test_a_changed_byte_is_noticed(made: Path, tmp_path: Path) -> None:
    found = spoilt(made, tmp_path / "copy", "", b"")
    path = tmp_path / "copy" / folder.WEIGHTS_FILE
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(TouchstoneError, match="was changed"):
        folder.load(found)


def test_weights_of_another_shape_type_or_without_numbers_are_refused(made: Path, tmp_path: Path) -> None:
    good = arrays(made)
    one = good["word_slope"]
    spoils = {
        "short": one[:-1],
        "wide": one.astype(np.float64),
        "matrix": one.reshape(2, -1),
        "nan": np.where(np.arange(len(one)) == 7, np.float32("nan"), one),
        "object": np.array([{"a": 1}] * len(one), dtype=object),
    }
    for name, array in spoils.items():
        content = packed(tmp_path / "w.npz", {**good, "word_slope": array}, pickled=name == "object")
        with pytest.raises(TouchstoneError, match="not a scorer of this version"):
            folder.load(spoilt(made, tmp_path / name, folder.WEIGHTS_FILE, content))
    rest = {name: array for name, array in good.items() if name != "letter_slope"}
    with pytest.raises(TouchstoneError, match="letter_slope"):
        folder.load(spoilt(made, tmp_path / "less", folder.WEIGHTS_FILE, packed(tmp_path / "w.npz", rest)))
    with pytest.raises(TouchstoneError, match="not a scorer of this version"):
        folder.load(spoilt(made, tmp_path / "zip", folder.WEIGHTS_FILE, b"no zip at all"))


def test_arrays_that_would_fill_the_memory_are_not_unpacked(made: Path, tmp_path: Path) -> None:
    bomb = packed(tmp_path / "w.npz", {**arrays(made), "extra": np.zeros(20_000_000, dtype=np.float32)})
    with pytest.raises(TouchstoneError, match="unpacks to more"):
        folder.load(spoilt(made, tmp_path / "bomb", folder.WEIGHTS_FILE, bomb))


@pytest.mark.parametrize(
    ("key", "value"),
    [("kind", "ngram-2"), ("intercept", "NaN"), ("score", [0.5, 0.1]), ("raw", []), ("extra", 1)],
)
def test_settings_that_are_not_ours_are_refused(made: Path, tmp_path: Path, key: str, value: object) -> None:
    settings = json.loads((made / folder.SETTINGS_FILE).read_text())
    content = json.dumps({**settings, key: value}).encode()
    with pytest.raises(TouchstoneError, match="not a scorer of this version"):
        folder.load(spoilt(made, tmp_path / "copy", folder.SETTINGS_FILE, content))


def test_a_changed_file_is_another_piece_of_work(tmp_path: Path) -> None:
    path = write_file(tmp_path / "texts.jsonl")
    before = bind.check_params(calibrate_toxicity, {"file": str(path)})
    write_file(path, seed=1)
    assert bind.check_params(calibrate_toxicity, {"file": str(path)}) != before


def test_a_file_that_is_not_the_one_named_is_refused(tmp_path: Path) -> None:
    path = write_file(tmp_path / "texts.jsonl")
    with pytest.raises(TouchstoneError, match="was changed"):
        bind.call(calibrate_toxicity, params={"file": str(path), "sha256": "0" * 64}, scorer=tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_texts_that_all_read_the_same_teach_nothing(tmp_path: Path) -> None:
    path = tmp_path / "same.jsonl"
    path.write_text("\n".join(json.dumps({"text": "the same text", "score": n % 2}) for n in range(300)))
    with pytest.raises(TouchstoneError, match="nothing can be learnt"):
        bind.call(calibrate_toxicity, params={"file": str(path)}, scorer=tmp_path / "out")


def test_one_part_is_no_cross_validation(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="folds"):
        bind.call(calibrate_toxicity, params={"file": "x", "folds": 1}, scorer=tmp_path / "out")
