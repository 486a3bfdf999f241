"""The likelihood judge on several candidates: one at a time, since it sees one answer at a time anyhow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from components.contracts import bind
from components.contracts import manifest as manifests
from components.contracts.evidence_rows import Judgment
from components.contracts.ports import Input, Output, write_rows
from components.contracts.rows import Completion
from components.generate.step import generate
from components.judge import step
from components.judge.pinning import SHOWN_CHARS
from pipelines.judging.materials import BASE, REFERENCE
from pipelines.judging.request import Judge


def judge_likelihoods(asked: Judge, checkpoint: Path, sides: Mapping[str, Path], out: Path) -> Mapping[str, float]:
    """Judge every model of every side but the reference and the base, and put all judgments into `out`/judgments."""
    assert asked.checkpoint is not None
    name = asked.model or asked.checkpoint.resolve().name
    digest = manifests.read(checkpoint).digest
    source = f"likelihood of {name}@{digest[:SHOWN_CHARS]}"
    made: list[Judgment] = []
    tokens = 0.0
    for number, (rows, against) in enumerate(_models(sides)):
        place = out / "likelihood" / str(number)
        write_rows(place / "candidate", Completion, rows)
        ports = {"candidate": place / "candidate", "reference": against}
        bind.call(step.prepare_judging, params={}, **ports, requests=place / "requests")
        answered = bind.call(
            generate,
            params={**asked.generation, "backend": "hf", "name": "judge"},
            requests=place / "requests",
            checkpoint=checkpoint,
            **{port: place / port for port in ("completions", "choice_scores", "text_scores")},
        )
        bind.call(
            step.judge_likelihood,
            params={"judge": source},
            **ports,
            choice_scores=place / "choice_scores",
            judgments=place / "judgments",
        )
        made += Input(place / "judgments", Judgment).rows()
        tokens += answered.metrics.get("computed_tokens", 0.0)
    notes = {"judge": {"name": source, "pinned_by": "checkpoint", "is": digest}, "warnings": []}
    Output(out / "judgments", Judgment).write(made, notes=notes)
    return {"pairs": float(len(made)), "computed_tokens": tokens}


def _models(sides: Mapping[str, Path]) -> Iterable[tuple[list[Completion], Path]]:
    for port, path in sides.items():
        if port in (REFERENCE, BASE):
            continue
        against = sides[BASE] if port != "candidate" else sides[REFERENCE]
        models: dict[str, list[Completion]] = {}
        for row in Input(path, Completion).iter_rows():
            models.setdefault(row.model, []).append(row)
        yield from ((rows, against) for rows in models.values())
