"""The step attribute on made-up authors: what it finds, what it must not find, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from statsmodels.stats.proportion import proportion_confint

from components.attribution import classifiers, features, shares, texts
from components.contracts.attribution_rows import AuthoredText, Embedding
from components.contracts.errors import TouchstoneError, UsageError
from tests.unit.attribution.writers import clouds, tell, written

ROLES = ("base", "target")
SURFACE = ["char_ngrams", "frequent_words", "surface", "majority"]


def answers(num_prompts: int = 60, **habits: str) -> list[AuthoredText]:
    """Each role's answers to the same prompts; `habits` of roles that write as another does."""
    roles = (*ROLES, *(role for role in habits if role not in ROLES))
    return [written(role, prompt, habit=habits.get(role)) for role in roles for prompt in range(num_prompts)]


@pytest.mark.slow
def test_authors_with_habits_are_told_apart_and_the_imitator_is_given_to_the_one_it_copies(tmp_path: Path) -> None:
    told = tell(tmp_path, answers(imitator="target"), candidates=ROLES, classifiers=SURFACE)
    for classifier in ("char_ngrams", "frequent_words"):
        shares_to_target = {role: told.of(classifier, role).to("target") for role in ("base", "imitator", "target")}
        assert shares_to_target["base"] is not None
        assert shares_to_target["base"].share <= 0.05
        assert shares_to_target["imitator"] is not None
        assert shares_to_target["imitator"].share >= 0.95
        assert told.of(classifier, "target").accuracy >= 0.95
    assert told.of("majority", "base").accuracy == told.of("majority", "base").chance == 0.5


def test_the_second_question_is_answered_as_if_it_were_asked_alone(tmp_path: Path) -> None:
    given = answers(40, imitator="target")
    second = ("imitator", "target")
    both = tell(tmp_path / "both", given, candidates=ROLES, apart=second, classifiers=["char_ngrams"])
    alone = tell(tmp_path / "alone", given, candidates=second, classifiers=["char_ngrams"])
    first = tell(tmp_path / "first", given, candidates=ROLES, classifiers=["char_ngrams"])
    assert (both.rows, both.texts) == (first.rows, first.texts)
    assert (both.apart, both.apart_texts) == (alone.rows, alone.texts)
    assert both.rows != both.apart
    assert (first.apart, first.apart_texts) == ([], [])


@pytest.mark.slow
def test_authors_who_write_alike_cannot_be_told_apart(tmp_path: Path) -> None:
    told = tell(tmp_path, answers(120, base="nobody", target="nobody"), candidates=ROLES, classifiers=SURFACE)
    for classifier in ("char_ngrams", "frequent_words", "surface"):
        low, high = told.of(classifier, "base").accuracy_ci
        # Cross-validation of equal authors falls a little below one half, since each fold lacks what it is asked about.
        assert low <= 0.5 <= high + 0.03, classifier


@pytest.mark.slow
def test_embeddings_that_lie_apart_tell_authors_apart_and_mixed_ones_do_not(tmp_path: Path) -> None:
    given = answers(80, imitator="target")
    params = {"candidates": ROLES, "classifiers": ["embedding"]}
    apart = tell(tmp_path / "apart", given, clouds(given, apart=4.0, like={"imitator": "target"}), **params)
    mixed = tell(tmp_path / "mixed", given, clouds(given, apart=0.0), **params)
    assert apart.of("embedding", "base").accuracy >= 0.95
    to_target = apart.of("embedding", "imitator").to("target")
    assert to_target is not None
    assert to_target.share >= 0.95
    low, high = mixed.of("embedding", "base").accuracy_ci
    assert low <= 0.5 <= high + 0.03


def test_every_text_is_asked_about_once_and_no_answer_to_its_prompt_was_learned_from() -> None:
    given = answers(31, imitator="target")
    data = texts.material(given, [])
    folds = texts.folds_of(data, ROLES, 5, seed=3)
    asked = np.concatenate([fold.test for fold in folds])
    assert sorted(asked.tolist()) == list(range(len(data.rows)))
    for fold in folds:
        learned = {data.rows[i].group for i in fold.train}
        assert not learned & {data.rows[i].group for i in fold.test}
        assert {data.rows[i].author for i in fold.train} == set(ROLES)


@pytest.mark.slow
def test_a_prompt_known_by_heart_does_not_help(tmp_path: Path) -> None:
    # Each prompt has a direction of its own along which its authors differ: who saw one answer knows the other.
    given = answers(40)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=40)
    vectors = []
    for text in given:
        vector = np.zeros(40)
        vector[int(text.group)] = signs[int(text.group)] * (1 if text.author == "base" else -1)
        vectors.append(Embedding(id=text.id, vector=tuple(vector.tolist()), num_tokens=1, num_windows=1))
    params = {"candidates": ROLES, "classifiers": ["embedding"]}
    torn = [text.model_copy(update={"group": text.id}) for text in given]
    assert tell(tmp_path / "torn", torn, vectors, **params).of("embedding", "base").accuracy > 0.7
    assert tell(tmp_path / "kept", given, vectors, **params).of("embedding", "base").accuracy <= 0.5


@pytest.mark.slow
def test_the_order_of_rows_changes_nothing(tmp_path: Path) -> None:
    given = answers(25)
    one = tell(tmp_path / "one", given, clouds(given, apart=1.0), candidates=ROLES, classifiers=["embedding"])
    vectors = clouds(given, apart=1.0)
    other = tell(tmp_path / "two", given[::-1], vectors[::-1], candidates=ROLES, classifiers=["embedding"])
    assert one.rows == other.rows


def test_a_given_split_is_kept(tmp_path: Path) -> None:
    given = [
        text.model_copy(update={"split": "train" if prompt % 3 else "test", "group": text.id})
        for prompt, text in enumerate(answers(30))
    ]
    told = tell(tmp_path, given, classifiers=["frequent_words"])
    assert {row.id for row in told.texts} == {text.id for text in given if text.split == "test"}
    row = told.of("frequent_words", "base")
    assert (row.folds, row.resampled) == (1, "author")


def test_the_logistic_regression_is_scikit_learns(tmp_path: Path) -> None:
    given = answers(40)
    vectors = clouds(given, apart=1.0)
    data = texts.material(given, vectors)
    (fold, *_) = texts.folds_of(data, ROLES, 4, seed=0)
    assert data.vectors is not None
    found = classifiers.attribute_fold("embedding", features.Counted(data), fold, 0)
    best = [
        make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=5000))
        .fit(data.vectors[fold.train], data.authors[fold.train])
        .predict(data.vectors[fold.test])
        for strength in classifiers.STRENGTHS
    ]
    assert any((found == each).all() for each in best)


def test_trigrams_counted_once_say_what_scikit_learns_vectorizer_says_of_each_test(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = answers(30, base="nobody", target="nobody")  # nothing tells them apart: every weight counts
    data = texts.material(given, [])
    counted = features.Counted(data)
    for fold in texts.folds_of(data, ROLES, 3, seed=0):
        totals = -np.sort(-np.asarray(counted.trigrams[fold.train].sum(axis=0)).ravel())
        # A limit that cuts between trigrams of unlike frequency: among equals the choice is anybody's.
        limit = next(k for k in range(150, len(totals)) if totals[k - 1] > totals[k])
        monkeypatch.setattr(classifiers, "NUM_CHAR_NGRAMS", limit)
        usual = make_pipeline(
            TfidfVectorizer(analyzer="char", ngram_range=(3, 3), max_features=limit, sublinear_tf=True),
            LinearSVC(random_state=0),
        )
        written_by = {side: [data.rows[i].text for i in getattr(fold, side)] for side in ("train", "test")}
        usual.fit(written_by["train"], data.authors[fold.train])
        found = classifiers.attribute_fold("char_ngrams", counted, fold, 0)
        assert (found == usual.predict(written_by["test"])).all()


def test_an_interval_is_wilsons_where_nothing_varies_or_clusters_are_few() -> None:
    how = shares.Uncertainty(0.05, 2000, 0)
    sure = shares.share_interval(np.ones(40, bool), [str(i) for i in range(40)], how)
    assert sure == pytest.approx(proportion_confint(40, 40, 0.05, method="wilson"))
    few = shares.share_interval(np.array([True, False, True]), ["a", "b", "c"], how)
    assert few == pytest.approx(proportion_confint(2, 3, 0.05, method="wilson"))


def test_a_resampled_interval_has_the_width_of_the_cluster_robust_one() -> None:
    rng = np.random.default_rng(1)
    # 100 prompts with two answers each that share their luck.
    luck = rng.random(100) < 0.7
    hits, clusters = np.repeat(luck, 2), [str(i // 2) for i in range(200)]
    low, high = shares.share_interval(hits, clusters, shares.Uncertainty(0.05, 20_000, 0))
    half = 1.96 * float(np.sqrt(luck.mean() * (1 - luck.mean()) / 100))
    assert (high - low) / 2 == pytest.approx(half, rel=0.06)


def test_an_empty_answer_is_unscored_and_asked_of_nobody(tmp_path: Path) -> None:
    given = answers(20)
    given[0] = given[0].model_copy(update={"text": "", "missing": "refused"})
    told = tell(tmp_path, given, candidates=ROLES, classifiers=["frequent_words"])
    row = told.of("frequent_words", "base")
    assert (row.num_texts, row.unscored) == (19, 1)
    assert given[0].id not in {text.id for text in told.texts}


@pytest.mark.slow
def test_a_text_without_embedding_is_unscored(tmp_path: Path) -> None:
    given = answers(20)
    vectors = clouds(given, apart=2.0)
    vectors[0] = vectors[0].model_copy(update={"vector": (), "unembedded": "the model gave no number"})
    told = tell(tmp_path, given, vectors, candidates=ROLES, classifiers=["embedding", "surface"])
    assert {told.of(name, "base").unscored for name in ("embedding", "surface")} == {1}


@pytest.mark.parametrize(
    ("given", "params", "told"),
    [
        ([written("base", i) for i in range(20)], {}, "all texts are by base"),
        ([*answers(20), written("nobody", 0)], {}, "nobody has texts in too few groups"),
        (answers(3), {}, "3 groups of texts cannot be shared out among 5 folds"),
        (answers(20), {"candidates": ["base", "chatgpt"]}, "there is no text by chatgpt"),
        ([], {}, "no text: there is nothing to attribute"),
        ([t.model_copy(update={"text": " "}) for t in answers(9)], {}, "18 texts, all empty"),
        ([*answers(9), written("base", 0)], {}, "two texts have the id base/0"),
        (
            [t.model_copy(update={"split": "train" if t.author == "base" else "test"}) for t in answers(9)],
            {},
            "target has no text to learn from",
        ),
        (
            [t.model_copy(update={"split": "train" if i % 2 else "test"}) for i, t in enumerate(answers(9))],
            {},
            "on both sides of the given split",
        ),
        (
            [t.model_copy(update={"split": "train" if i else ""}) for i, t in enumerate(answers(9))],
            {},
            "1 of 18 texts are on neither side",
        ),
    ],
)
def test_what_cannot_be_attributed_is_refused(
    tmp_path: Path, given: list[AuthoredText], params: dict[str, object], told: str
) -> None:
    with pytest.raises(TouchstoneError, match=told):
        tell(tmp_path, given, **{"classifiers": ["surface"], **params})


def test_a_classifier_of_embeddings_without_embeddings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="embedding was given no embeddings"):
        tell(tmp_path, answers(9), classifiers=["embedding"])


def test_shares_of_all_candidates_add_up_to_one(tmp_path: Path) -> None:
    told = tell(tmp_path, answers(20, imitator="target"), candidates=ROLES, classifiers=SURFACE[2:])
    for row in told.rows:
        assert sum(share.share for share in row.shares) == pytest.approx(1.0)
        assert json.loads(row.model_dump_json())["chance"] == 0.5


@pytest.mark.long
def test_umap_tells_clouds_apart_and_draws_the_same_map_again(tmp_path: Path) -> None:
    given = answers(40)
    vectors = clouds(given, apart=6.0)
    params = {"candidates": ROLES, "classifiers": ["embedding_umap"], "map": True, "folds": 3}
    one = tell(tmp_path / "one", given, vectors, **params)
    again = tell(tmp_path / "two", given, vectors, **params)
    assert one.of("embedding_umap", "base").accuracy >= 0.95
    assert len(one.points) == len(given)
    assert one.points == again.points
