"""Dialogues and what is asked later -> how near the two come: overlap, diversity, support."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from components.contracts.bind import Metrics
from components.contracts.data_policy import DataPolicy
from components.contracts.data_rows import Overlap, QueryNeighbour
from components.contracts.dialogue_rows import Dialogue, Removal
from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import Support
from components.contracts.leakage import count_leakage
from components.contracts.places import disk_errors
from components.contracts.ports import Folder, Input, Nothing, Output
from components.contracts.rows import Prompt, TaskItem
from components.overlap.leakage import (
    held_out,
    leaked_prompts,
    limits_on_record,
    overlap_rows,
    training_texts,
)
from components.overlap.support import SupportParams, measure_support

QUERIES_FILE = "queries.jsonl"
NEW_QUERIES_FILE = "new_queries.jsonl"


class OverlapState(Folder):
    """What a search knows when it ends, so that more data can be added to it: no training text but the queries."""


class OverlapParams(BaseModel):
    """What is searched, and what counts as leaked."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """The data; shown in folder names and progress."""
    policy: dict[str, object] = Field(default_factory=dict)
    """The run's policy; only its key `data` is read here."""
    diversity: bool = True
    """Whether each query's most similar other query is searched too."""
    queries: Literal["first", "all"] = "first"
    """first: a dialogue's query is its first user turn. all: every user turn is a query."""
    threads: Annotated[int, Field(ge=0)] = 0
    """Threads that search; 0 = one for each processor. The result does not depend on it."""

    @property
    def limits(self) -> DataPolicy:
        """The data part of the policy."""
        return DataPolicy.model_validate(self.policy.get("data") or {})

    @model_validator(mode="after")
    def _data_policy_is_valid(self) -> Self:
        # Refused with the other parameters, before anything is read.
        assert self.limits
        return self


def measure_overlap(
    *,
    dialogues: Input[Dialogue],
    items: Input[TaskItem],
    heldout: Input[Prompt],
    previous: Input[OverlapState] = Nothing(OverlapState),  # noqa: B008
    overlap: Output[Overlap],
    neighbours: Output[QueryNeighbour],
    clean_heldout: Output[Prompt],
    leaked: Output[Removal],
    state: Output[OverlapState],
    params: OverlapParams,
) -> Metrics:
    """Find, for every test question and held-out prompt, the training texts that come nearest to it.

    With `previous`, the `state` of an earlier run over other dialogues, the result is that of both sets of dialogues
    together, the earlier ones first.

    Raises:
        TouchstoneError: neither test items nor prompts, or `previous` was made for others or without diversity.
    """
    from components.overlap.index import OverlapIndex

    limits = params.limits
    prompts = heldout.rows()
    searched = held_out(items.iter_rows(), prompts)
    if not searched:
        raise TouchstoneError(
            "there is nothing to search for: no test item and no held-out prompt",
            expected="at least one of them",
            remedy="give the benchmark's items or the held-out prompts",
        )
    texts = [text.text for text in searched]
    earlier = _earlier(previous, params)
    if earlier is None:
        index = OverlapIndex(texts, threads=params.threads)
    else:
        index = OverlapIndex.load(earlier, texts, threads=params.threads)
    folder = state.folder
    with disk_errors(state.path):
        index.add(training_texts(_noting_queries(dialogues.iter_rows(), folder / NEW_QUERIES_FILE, params)))
        index.save(folder)
    rows = overlap_rows(searched, index.results(), limits)
    clean, out = leaked_prompts(prompts, rows[len(rows) - len(prompts) :])
    counts = {row.benchmark: row for row in count_leakage(rows)}
    mean, num_queries = _diversity(folder, earlier, neighbours, params)
    notes = {
        "thresholds": limits_on_record(limits),
        "benchmarks": {name: row.model_dump(mode="json") for name, row in counts.items()},
        "training_texts": index.num_texts,
        "diversity_bleu": mean,
        "diversity_queries": num_queries,
        "queries": params.queries if params.diversity else None,
    }
    overlap.write(rows, notes=notes)
    clean_heldout.write(clean, notes={"prompt_bleu": limits.prompt_bleu})
    leaked.write(out)
    state.commit(notes=notes)
    found = {f"leaked_{name or 'prompts'}_items": float(row.dirty) for name, row in counts.items()}
    return found if mean is None else {**found, "diversity_bleu": mean}


def _earlier(previous: Input[OverlapState], params: OverlapParams) -> Path | None:
    if isinstance(previous, Nothing):
        return None
    wanted = params.queries if params.diversity else None
    if (made := previous.manifest.notes.get("queries")) != wanted:
        raise TouchstoneError(
            f"{previous.path} has {made or 'no'} queries, and {wanted or 'no'} queries are wanted now",
            expected="the same `diversity` and `queries` as in the earlier search",
            remedy="give the same ones, or search all data anew without the earlier result",
        )
    return previous.folder


def _noting_queries(dialogues: Iterable[Dialogue], path: Path, params: OverlapParams) -> Iterator[Dialogue]:
    """Dialogues as they are; their queries are written to `path` on the way."""
    from components.overlap.diversity import Query, write_query

    with path.open("w", encoding="utf-8") as stream:
        for dialogue in dialogues:
            asked = (Query(dialogue.id, n, t.text) for n, t in enumerate(dialogue.turns) if t.speaker == "user")
            if params.diversity:
                stream.writelines(map(write_query, asked if params.queries == "all" else islice(asked, 1)))
            yield dialogue


def _diversity(
    folder: Path, earlier: Path | None, neighbours: Output[QueryNeighbour], params: OverlapParams
) -> tuple[float | None, int]:
    """Write each query's nearest other query; returns the mean BLEU (None without queries) and their number."""
    from components.overlap.diversity import nearest_queries

    added = folder / NEW_QUERIES_FILE
    total, count = 0.0, 0

    def rows() -> Iterator[QueryNeighbour]:
        nonlocal total, count
        known = earlier / QUERIES_FILE if earlier else None
        for found in nearest_queries(added, folder / QUERIES_FILE, earlier=known, threads=params.threads):
            total, count = total + found.bleu, count + 1
            yield QueryNeighbour(
                dialogue_id=found.query.dialogue_id,
                turn=found.query.turn,
                bleu=found.bleu,
                nearest_dialogue=found.place.dialogue_id,
                nearest_turn=found.place.turn,
            )

    neighbours.write(rows() if params.diversity else ())
    added.unlink()
    return (total / count if count else None), count


def support(
    *, dialogues: Input[Dialogue], items: Input[TaskItem], support: Output[Support], params: SupportParams
) -> Metrics:
    """Measure, for each benchmark, how closely the imitation data ask what its test items ask.

    The threshold that the means are to be compared with goes into the manifest's notes, with the source that came
    closest for each benchmark.

    Raises:
        TouchstoneError: no test items, or no user turns in the dialogues.
    """
    texts: dict[str, dict[str, str]] = {}
    for item in items.rows():
        if item.split == "test":
            texts.setdefault(item.benchmark, {})[item.id] = item.question
    data = dialogues.rows()
    # With no test item at all the pure function says what is missing.
    measured = {name: measure_support(t, data, params=params) for name, t in (texts or {"none": {}}).items()}
    support.write(
        (
            Support(item_id=item_id, benchmark=name, similarity=found.similarity, nearest=found.nearest)
            for name, measure in measured.items()
            for item_id, found in measure.items.items()
        ),
        # One scale for the whole data set, so every benchmark has the same threshold.
        notes={
            "threshold": next(iter(measured.values())).threshold,
            "subsample": next(iter(measured.values())).subsample,
            "closest_source": {name: measure.source for name, measure in measured.items()},
            "supported": {name: measure.supported for name, measure in measured.items()},
        },
    )
    return {f"support_{name}": measure.mean for name, measure in measured.items()}
