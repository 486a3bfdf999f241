"""Answers of several models -> texts by author -> whose hand each seems to be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from components.contracts.attribution_rows import (
    AttributedText,
    Attribution,
    AuthoredText,
    Classifier,
    Embedding,
    MapPoint,
)
from components.contracts.bind import Metrics
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Input, Nothing, Output
from components.contracts.rows import Completion, Role

if TYPE_CHECKING:
    from components.attribution import features, shares
    from components.attribution import texts as materials


class TextsParams(BaseModel):
    """Whose answers these are."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """The comparison; shown in folder names and progress."""


class Params(BaseModel):
    """Who is told from whom, and how."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """The comparison; shown in folder names and progress."""
    candidates: tuple[str, ...] = ()
    """Authors a text may be given to, and whose texts are learned from; empty = every author. With [base, target] the
    imitator's texts must be given to one of the two."""
    apart: tuple[str, ...] = ()
    """Authors of a second question, asked of the same texts: can these be told from each other? Empty = not asked."""
    classifiers: tuple[Classifier, ...] = (
        "embedding",
        "embedding_umap",
        "char_ngrams",
        "frequent_words",
        "surface",
        "majority",
    )
    """What is asked. embedding and embedding_umap need embeddings; embedding_umap needs the extra `attribution`."""
    folds: Annotated[int, Field(ge=2)] = 5
    """Tests over groups of texts, where no split is given."""
    map: bool = True
    """Draw a map of all texts by UMAP; needs embeddings and the extra `attribution`."""
    alpha: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.05
    """Intervals cover 1 - alpha."""
    resamples: Annotated[int, Field(ge=100)] = 2000
    """Of clusters of texts, for the intervals."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of folds, maps and resamples."""


def prepare_attribution(
    *,
    base: Input[Completion],
    imitator: Input[Completion],
    target: Input[Completion],
    target_second: Input[Completion] = Nothing(Completion),  # noqa: B008 - a frozen value that says "nothing given"
    texts: Output[AuthoredText],
    params: TextsParams,
) -> Metrics:
    """Put the answers of a comparison together: the roles are the authors, a prompt's answers are a group.

    Only prompts that base, imitator and target all answered, so that no author is told by the subject of a prompt.

    Raises:
        TouchstoneError: a prompt answered twice by one role, or no prompt in common.
    """
    ports: dict[Role, Input[Completion]] = {"base": base, "imitator": imitator, "target": target}
    answers = {role: _by_prompt(role, port) for role, port in ports.items()}
    common = set.intersection(*(set(found) for found in answers.values()))
    if not common:
        raise TouchstoneError(
            "base, imitator and target have no prompt in common",
            expected="answers of all three to the same prompts",
            remedy="generate the missing answers with the same prompt ids",
        )
    answers["target_second"] = _by_prompt("target_second", target_second)
    made = [row for role, found in answers.items() for row in _authored(role, found, sorted(common))]
    texts.write(made)
    left_out = sum(map(len, answers.values())) - len(made)
    return {"prompts": float(len(common)), "texts": float(len(made)), "without_partner": float(left_out)}


def attribute(
    *,
    texts: Input[AuthoredText],
    embeddings: Input[Embedding] = Nothing(Embedding),  # noqa: B008
    attribution: Output[Attribution],
    attributed: Output[AttributedText],
    told_apart: Output[Attribution],
    told_apart_texts: Output[AttributedText],
    points: Output[MapPoint],
    params: Params,
) -> Metrics:
    """Have every classifier name the author of texts it did not learn from, between `candidates` and between `apart`.

    Without a second question `told_apart` is without rows; so is `points` without a map.

    Raises:
        UsageError: a classifier needs embeddings, and none were given.
        TouchstoneError: fewer than two authors, an author with too few texts, or a split that breaks a group.
    """
    # scikit-learn costs a second to import.
    from components.attribution import classifiers, features
    from components.attribution import texts as materials

    with_vectors = not isinstance(embeddings, Nothing)
    _check_asked(params, with_vectors=with_vectors, needing=classifiers.NEED_VECTORS)
    data = materials.material(texts.iter_rows(), embeddings.rows())
    counted = features.Counted(data)
    made, said = _answers(counted, params.candidates, params)
    notes = {"embeddings": embeddings.digest[:12]}
    attribution.write(made, notes=notes)
    attributed.write(said)
    apart, apart_said = _answers(counted, params.apart, params) if params.apart else ([], [])
    told_apart.write(apart, notes=notes)
    told_apart_texts.write(apart_said)
    points.write(_map(data, params) if params.map and with_vectors else ())
    accuracy = {f"{row.classifier}_accuracy": row.accuracy for row in made}
    return {"texts": float(len(data.rows)), "unscored": float(sum(data.unscored.values())), **accuracy}


def _answers(
    counted: features.Counted, asked: Sequence[str], params: Params
) -> tuple[list[Attribution], list[AttributedText]]:
    """One question: what every classifier says between the authors `asked`; none named = all."""
    from components.attribution import shares
    from components.attribution import texts as materials

    data = counted.data
    candidates = materials.candidates_of(data, asked)
    folds = materials.folds_of(data, candidates, params.folds, params.seed)
    given = any(row.split for row in data.rows)
    how = shares.Uncertainty(params.alpha, params.resamples, params.seed)
    made: list[Attribution] = []
    said: list[AttributedText] = []
    for name in params.classifiers:
        found = _asked(name, counted, folds, params.seed)
        made += shares.rows_of(found, data, candidates, how, given=given, folds=len(folds))
        said += found.texts
    return made, said


def _check_asked(params: Params, *, with_vectors: bool, needing: Sequence[Classifier]) -> None:
    if not params.classifiers:
        raise UsageError("no classifier is asked", expected="params.classifiers with at least one")
    lacking = [name for name in params.classifiers if name in needing]
    if lacking and not with_vectors:
        raise UsageError(
            f"the classifier {lacking[0]} was given no embeddings",
            expected="a folder for the port embeddings, which the step embed writes",
            remedy="give embeddings, or leave the classifier out of params.classifiers",
        )


def _asked(name: Classifier, counted: features.Counted, folds: Sequence[materials.Fold], seed: int) -> shares.Said:
    from components.attribution import classifiers, shares

    data = counted.data
    texts: list[AttributedText] = []
    usual: list[bool] = []
    for number, fold in enumerate(folds):
        most = classifiers.most_texts(data.authors[fold.train])
        for index, label in zip(fold.test, classifiers.attribute_fold(name, counted, fold, seed), strict=True):
            row = data.rows[index]
            texts.append(
                AttributedText(id=row.id, author=row.author, classifier=name, attributed_to=str(label), fold=number)
            )
            usual.append(row.author == most)
    return shares.Said(name, texts, usual)


def _map(data: materials.Material, params: Params) -> Iterator[MapPoint]:
    from components.attribution.classifiers import coordinates

    assert data.vectors is not None
    placed, _ = coordinates(data.vectors, params.seed)
    for row, (x, y) in zip(data.rows, placed.tolist(), strict=True):
        yield MapPoint(id=row.id, author=row.author, x=x, y=y, order=row.order)


def _by_prompt(role: Role, port: Input[Completion]) -> dict[str, Completion]:
    found: dict[str, Completion] = {}
    for row in port.iter_rows():
        if row.prompt_id in found:
            raise TouchstoneError(
                f"{role} answered prompt {row.prompt_id} twice",
                expected="one answer for each prompt and role",
                remedy="keep one sample of each prompt; a second sample of the target has a role of its own",
            )
        found[row.prompt_id] = row
    return found


def _authored(role: Role, answers: dict[str, Completion], prompts: Sequence[str]) -> Iterator[AuthoredText]:
    for prompt_id in prompts:
        if prompt_id in answers:
            row = answers[prompt_id]
            missing = row.unanswered if row.unanswered is not None or row.text.strip() else "the answer is empty"
            yield AuthoredText(
                id=f"{role}/{prompt_id}",
                author=role,
                model=row.model,
                group=prompt_id,
                text=row.text if missing is None else "",
                missing=missing,
            )
