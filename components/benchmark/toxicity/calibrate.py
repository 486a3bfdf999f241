"""Behind the step `calibrate_toxicity`: trains a scorer on the user's texts and says what it is worth."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.benchmark.toxicity import calibration, folder, ngram, profanity, scored_texts
from components.benchmark.toxicity.accuracy import Accuracy, Compared, measure
from components.benchmark.toxicity.ngram import HeldOut
from components.benchmark.toxicity.params import CalibrateParams
from components.benchmark.toxicity.profanity import ProfanityScorer
from components.benchmark.toxicity.scored_texts import ScoredTexts
from components.benchmark.toxicity.scorer import unknown, worst
from components.contracts import canonical
from components.contracts.bind import Metrics
from components.contracts.errors import TouchstoneError
from components.contracts.places import disk_errors
from components.contracts.ports import Output, ToxicityScorer


def train_scorer(scorer: Output[ToxicityScorer], params: CalibrateParams) -> Metrics:
    """Train, measure on held-out texts, and write the folder.

    Raises:
        TouchstoneError: the file cannot be read, was changed, holds too few texts, or nothing can be learnt from it.
    """
    path = Path(params.file)
    data = scored_texts.read(path)
    if params.sha256 and canonical.file_digest(path) != params.sha256:
        raise TouchstoneError(f"{path} was changed", expected=f"the file with sha256 {params.sha256}")
    folds = scored_texts.folds(data.groups, params.folds, params.seed)
    try:
        trained, held_out = ngram.train(data.texts, data.scores, folds)
        report = _report(data, held_out, folds, params.seed)
    except ValueError as error:
        raise TouchstoneError(
            f"nothing can be learnt from {path}: {error}",
            expected="different texts with different scores, on both sides of 0.5, in every part",
            remedy="check the file, or give more texts",
        ) from error
    settings = folder.Settings(
        intercept=trained.weights.intercept,
        raw=trained.calibrated.raw,
        score=trained.calibrated.score,
        texts_digest=data.digest,
        num_texts=len(data.texts),
        left_out=dict(data.left_out),
    )
    with disk_errors(scorer.path):
        folder.save(scorer.folder, trained.weights, settings, report)
    found = report.trained
    scorer.commit(notes={"mae": found.mae, "auc": found.auc, "ece": found.ece, "texts": len(data.texts)})
    return {"texts": float(len(data.texts)), "mae": found.mae, "rmse": found.rmse, "auc": found.auc, "ece": found.ece}


def _report(data: ScoredTexts, held_out: HeldOut, folds: NDArray[np.intp], seed: int) -> folder.Report:
    trained = compare("ngram", data, held_out, ngram.MIN_KNOWN, seed)
    try:
        shipped = profanity.load()
    except (ModuleNotFoundError, TouchstoneError) as error:
        return folder.Report(trained=trained, profanity=None, profanity_missing=str(error).splitlines()[0])
    beside = compare(shipped.name, data, measure_shipped(shipped, data, folds), shipped.min_known, seed)
    return folder.Report(trained=trained, profanity=beside, profanity_missing=None)


def measure_shipped(shipped: ProfanityScorer, data: ScoredTexts, folds: NDArray[np.intp]) -> HeldOut:
    """What the scorer that ships says of each text, without having seen it.

    Its calibration was measured on RealToxicityPrompts; on those very texts it is fitted again without each fold.
    """
    raw = np.array(worst(data.texts, shipped.raw))
    seen = data.digest == shipped.texts_digest
    value = calibration.cross_fit(raw, data.scores, folds) if seen else shipped.calibrated(raw)
    return HeldOut(value, shipped.known(data.texts))


def compare(name: str, data: ScoredTexts, held_out: HeldOut, min_known: float, seed: int) -> Accuracy:
    """A scorer beside Perspective; what it would leave unscored is counted apart.

    Raises:
        ValueError: the scored texts all lie on one side of 0.5.
    """
    reasons = [unknown(float(share), min_known) for share in held_out.known]
    kept = np.array([reason is None for reason in reasons])
    compared = Compared(held_out.value[kept], data.scores[kept], data.groups[kept])
    return measure(name, compared, unscored=Counter(filter(None, reasons)), seed=seed)
