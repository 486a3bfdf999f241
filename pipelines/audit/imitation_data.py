"""What an audit measures of the imitation data: support, leaks, diversity, figures."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from components.contracts import bind
from components.contracts.data_rows import DataFigures, Overlap, QueryNeighbour
from components.contracts.dialogue_rows import Dialogue, Removal
from components.contracts.ports import Input, write_rows
from components.contracts.rows import Prompt, TaskItem
from components.report.policy import Policy
from components.report.prose import and_list
from pipelines.audit.gather import Gathered

LIBRARIES = ("numba", "profanity_check")
INSTALL = "pip install 'touchstone-audit[data]'"


def measure_data(rows: Path, found: Gathered, items: Sequence[TaskItem], policy: Policy) -> list[str]:
    """Measure the dialogues below `rows` and put what was found beside them; gives what a reader must know.

    Args:
        rows: Folder with the artifacts `dialogues`, perhaps `removed` and `items`; `support`, `overlap`, `neighbours`
            and `figures` are added.
        found: Everything that was read.
        items: Test items whose question is known.
        policy: Its part `data` says what counts as leaked.
    """
    if items:
        from components.overlap import step as overlap_step

        bind.call(
            overlap_step.support,
            dialogues=rows / "dialogues",
            items=rows / "items",
            support=rows / "support",
            params={},
        )
    return [*_without_questions(found, items), *_leaks_and_figures(rows, found, items, policy)]


def _without_questions(found: Gathered, items: Sequence[TaskItem]) -> list[str]:
    known = {item.benchmark for item in items} | {claim.benchmark for claim in found.claims}
    bare = [name for name in found.benchmarks if name not in known]
    if not bare:
        return []
    return [
        f"{and_list(bare)}: the scores carry no question texts, so support by the imitation data was not measured; give"
        " samples files, a `question` column, or `supported:` in audit.yaml."
    ]


def _leaks_and_figures(rows: Path, found: Gathered, items: Sequence[TaskItem], policy: Policy) -> list[str]:
    absent = [name for name in LIBRARIES if importlib.util.find_spec(name) is None]
    if absent:
        return [f"Imitation data: leaks, diversity and figures were not measured ({INSTALL} adds what is missing)."]
    prompts = _prompts(found)
    if items or prompts:
        _search(rows, items, prompts, policy)
    write_rows(rows / "figures", DataFigures, [_figures(rows, items, prompts)])
    return []


def _prompts(found: Gathered) -> list[Prompt]:
    """The prompts that were answered, where the outputs hold their texts."""
    texts = {row.prompt_id: row.prompt for entry in found.outputs.values() for row in entry.completions if row.prompt}
    return [Prompt(id=prompt_id, text=text) for prompt_id, text in texts.items()]


def _search(rows: Path, items: Sequence[TaskItem], prompts: Sequence[Prompt], policy: Policy) -> None:
    from components.overlap import step as overlap_step

    if not items:
        write_rows(rows / "items", TaskItem, [])
    write_rows(rows / "prompts", Prompt, prompts)
    ports = {name: rows / name for name in ("dialogues", "items", "overlap", "neighbours", "clean_heldout", "leaked")}
    rules = {"data": policy.data.model_dump(mode="json")}
    state = rows / "overlap_state"
    bind.call(overlap_step.measure_overlap, heldout=rows / "prompts", state=state, params={"policy": rules}, **ports)


def _figures(rows: Path, items: Sequence[TaskItem], prompts: Sequence[Prompt]) -> DataFigures:
    from components.validate.figures import data_figures, measure
    from components.validate.table import heldout_texts, tabulate

    searched = (rows / "overlap").exists()
    tables = measure(
        tabulate(Input(rows / "dialogues", Dialogue).iter_rows(), heldout_texts(items, prompts)),
        overlap=Input(rows / "overlap", Overlap).iter_rows() if searched else None,
        neighbours=Input(rows / "neighbours", QueryNeighbour).iter_rows() if searched else None,
        review=(),
        anything_held_out=bool(items or prompts),
    )
    removed = Input(rows / "removed", Removal).iter_rows() if (rows / "removed").exists() else ()
    return data_figures("", tables, removed)
