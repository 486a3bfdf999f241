"""How strongly the logistic regression is held back: what scikit-learn's grid search chooses."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from components.attribution.classifiers import STRENGTHS, best_strength


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("num_texts", "num_features", "num_authors"), [(48, 6, 2), (60, 40, 3)])
def test_the_strength_is_the_one_of_a_grid_search(
    seed: int, num_texts: int, num_features: int, num_authors: int
) -> None:
    draw = np.random.default_rng(seed)
    texts = draw.normal(size=(num_texts, num_features)) * draw.uniform(0.1, 10.0, num_features)
    authors = np.array([f"a{n}" for n in np.argmax(texts[:, :num_authors] + draw.normal(size=(num_texts, 1)), axis=1)])
    fold = np.arange(num_texts) % 3
    inner = [(np.flatnonzero(fold != n), np.flatnonzero(fold == n)) for n in range(3)]
    made = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
    search = GridSearchCV(made, {"logisticregression__C": STRENGTHS}, scoring="accuracy", cv=inner).fit(texts, authors)
    assert best_strength(texts, authors, inner) == search.best_params_["logisticregression__C"]
