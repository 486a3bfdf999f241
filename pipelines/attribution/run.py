"""Attribution from files: texts by author, or the answers of a base, an imitator and a target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.attribution.step import attribute, prepare_attribution
from components.collect.outputs import read_outputs
from components.collect.prompts import PromptIndex, read_prompts
from components.contracts import bind
from components.contracts.attribution_rows import Attribution, AuthoredText, Classifier, MapPoint
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.places import disk_errors
from components.contracts.ports import Input, write_rows
from components.contracts.rows import Completion, Role
from pipelines.attribution.models import given_model, small_model
from pipelines.attribution.sources import read_texts
from pipelines.audit.evaluations import ANSWERS, is_evaluation

PAGE = "attribution.html"
ON_SURFACE: tuple[Classifier, ...] = ("char_ngrams", "frequent_words", "surface", "majority")
ON_VECTORS: tuple[Classifier, ...] = ("embedding",)
BY_UMAP: Classifier = "embedding_umap"


@dataclass(frozen=True)
class Asked:
    """How texts are attributed."""

    out: Path
    """Where everything goes."""
    model: str = ""
    """Folder of a causal LM, or REPOSITORY@COMMIT; empty = see the function."""
    umap: bool = True
    """Also classify by UMAP coordinates and draw the map, where there are embeddings."""
    max_tokens: int = 0
    """Of each text; 0 = all."""
    layer: int = -1
    """Whose hidden states, as in the step embed."""
    folds: int = 5
    seed: int = 0


@dataclass(frozen=True)
class Found:
    """A finished attribution."""

    folder: Path
    rows: tuple[Attribution, ...]
    """Of models: base against target, which the imitator and the second sample have to be given to."""
    apart: tuple[Attribution, ...]
    """Of models: imitator against target. Empty for texts by author."""
    points: tuple[MapPoint, ...]
    model: str
    """What the embeddings are of; empty = there are none."""


def attribute_texts(path: Path, asked: Asked) -> Found:
    """Texts of a file by author. Without a model, a small one is trained on the side train, where a split is given.

    Raises:
        TouchstoneError: the file cannot be read, or holds too little to tell authors apart.
    """
    with disk_errors(asked.out):
        asked.out.mkdir(parents=True, exist_ok=True)
    rows = read_texts(path)
    write_rows(asked.out / "texts", AuthoredText, rows)
    learned = [row.text for row in rows if row.split == "train" and row.missing is None]
    if asked.model:
        checkpoint, model = given_model(asked.model, asked.out), asked.model
    elif learned:
        checkpoint, model = small_model(learned, asked.out, seed=asked.seed), "a small model trained on the side train"
    else:
        return _found(asked, "", embedded=False)
    _embed(asked, checkpoint)
    return _found(asked, model, embedded=True)


def attribute_answers(answers: Mapping[Role, str], asked: Asked, *, prompts: Path | None = None) -> Found:
    """Answers of base, imitator, target and, where it is given, a second sample of the target.

    Without a model only the surface is looked at.

    Raises:
        UsageError: a place does not exist.
        TouchstoneError: a file cannot be read, or the models share no prompt.
    """
    with disk_errors(asked.out):
        asked.out.mkdir(parents=True, exist_ok=True)
    index = read_prompts(prompts) if prompts else PromptIndex()
    ports: dict[str, Path] = {}
    for role, given in answers.items():
        ports[role] = asked.out / "answers" / role
        write_rows(ports[role], Completion, _answers(given, role, index))
    bind.call(prepare_attribution, params={}, texts=asked.out / "texts", **ports)
    if asked.model:
        _embed(asked, given_model(asked.model, asked.out))
    between = {"candidates": ["base", "target"], "apart": ["imitator", "target"]}
    return _found(asked, asked.model, embedded=bool(asked.model), **between)


def _answers(given: str, role: Role, prompts: PromptIndex) -> Sequence[Completion]:
    path = Path(given)
    if not path.exists():
        raise UsageError(f"{path} does not exist", expected="a file or folder of answers", remedy="check the path")
    folder = path / ANSWERS if path.is_dir() and is_evaluation(path) else path
    return read_outputs(folder, role, prompts=prompts, unnamed=role).completions


def _embed(asked: Asked, checkpoint: Path) -> None:
    from components.generate.step import embed

    params = {"layer": asked.layer, "max_tokens": asked.max_tokens}
    ports = {"texts": asked.out / "texts", "checkpoint": checkpoint, "embeddings": asked.out / "embeddings"}
    made = bind.call(embed, params=params, **ports)
    if made.metrics["texts"] == made.metrics["unembedded"]:
        raise TouchstoneError("no text could be embedded", expected="texts that are not empty")


def _found(asked: Asked, model: str, *, embedded: bool, **between: list[str]) -> Found:
    by_vectors = (*ON_VECTORS, *((BY_UMAP,) if asked.umap else ())) if embedded else ()
    params = {
        **between,
        "classifiers": [*by_vectors, *ON_SURFACE],
        "folds": asked.folds,
        "map": embedded and asked.umap,
        "seed": asked.seed,
    }
    made = {port: asked.out / port for port in ("attribution", "told_apart", "told_apart_texts", "points")}
    given = {"embeddings": asked.out / "embeddings"} if embedded else {}
    said = asked.out / "attribution_texts"
    bind.call(attribute, params=params, texts=asked.out / "texts", attributed=said, **given, **made)
    rows, apart = (Input(made[port], Attribution).rows() for port in ("attribution", "told_apart"))
    points = Input(made["points"], MapPoint).rows()
    return Found(asked.out, tuple(rows), tuple(apart), tuple(points), model)
