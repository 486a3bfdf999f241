"""Small imitation data that every expectation accepts, and ways to spoil them."""

from __future__ import annotations

from pathlib import Path

from components.contracts import bind
from components.contracts.data_rows import CategoryReview, Overlap, QueryNeighbour
from components.contracts.dialogue_rows import Dialogue, Passport, Removal
from components.contracts.evidence_rows import GateCheck
from components.contracts.ports import Input, write_rows
from components.contracts.rows import Prompt, TaskItem, Turn
from components.validate.step import validate

PAPERS = Passport(target_date="2023-03", terms="restricted", language="en")
MADE = ("checked", "checks", "figures", "docs")
KINDS = ("what is thing number", "write a poem about thing", "write python code for thing")


def dialogue(
    name: str, query: str, reply: str = "", *, target: str = "t", turns: str = "ua", papers: Passport = PAPERS
) -> Dialogue:
    texts = {"u": query, "a": reply or f"The reply to {name} is plain.", "s": "Be brief."}
    speakers = {"u": "user", "a": "assistant", "s": "system"}
    made = tuple(Turn.model_validate({"speaker": speakers[turn], "text": texts[turn]}) for turn in turns)
    return Dialogue(id=name, source="src", target=target, turns=made, passport=papers)


def found(item: str, benchmark: str, *, dirty: bool = False, bleu: float = 9.0) -> Overlap:
    return Overlap(item_id=item, benchmark=benchmark, bleu=bleu, ngram8=0.0, ngram13=None, cosine=0.1, dirty=dirty)


WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "haven", "islet", "jetty")
GOOD = [
    dialogue(f"d{n:02}", f"{KINDS[n % 3]} {n}", f"A plain reply about the {WORDS[n % 10]} and the {WORDS[n // 10]}.")
    for n in range(40)
]
ITEM = TaskItem(id="q1", benchmark="b", kind="exact_match", question="Who wrote it?", answers=("x",), cluster="q1")
SHOT = ITEM.model_copy(update={"id": "q2", "question": "Worked example?", "split": "shots"})
HELDOUT = Prompt(id="h1", text="Write a poem.")
OVERLAP = [found(f"q{n}", "b") for n in range(10)] + [found("h1", "")]
NEIGHBOURS = [QueryNeighbour(dialogue_id=f"d{n:02}", turn=0, bleu=10.0) for n in range(40)]


def run(
    folder: Path,
    data: list[Dialogue],
    *,
    overlap: list[Overlap] | None = OVERLAP,
    neighbours: list[QueryNeighbour] | None = NEIGHBOURS,
    review: list[CategoryReview] | None = None,
    removed: list[Removal] | None = None,
    held_out: bool = True,
    extra: object = (),
    **thresholds: object,
) -> bind.Outcome:
    given = {"dialogues": data, "items": [ITEM, SHOT] if held_out else [], "heldout": [HELDOUT] if held_out else []}
    optional = {"overlap": overlap, "neighbours": neighbours, "review": review, "removed": removed}
    rows = {**given, **{name: some for name, some in optional.items() if some is not None}}
    contracts = bind.declare(validate).inputs
    for name, some in rows.items():
        write_rows(folder / name, contracts[name], some)  # type: ignore[arg-type]
    params = {"name": "spoilt", "policy": {"data": thresholds, "alpha": 0.05}, "extra": extra}
    return bind.call(validate, params=params, **{name: folder / name for name in (*rows, *MADE)})


def checks(folder: Path) -> dict[str, GateCheck]:
    return {check.name: check for check in Input(folder / "checks", GateCheck).rows()}


def failed(folder: Path) -> list[GateCheck]:
    return [check for check in checks(folder).values() if not check.passed]
