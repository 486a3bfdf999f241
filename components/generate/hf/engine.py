"""The backend `hf`: cuts requests into units, runs each, and keeps what is finished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from tqdm import tqdm

from components.contracts.rows import ChoiceScore, Completion, Request, TextScore
from components.generate.backends import Answers
from components.generate.hf import checkpoint, choices, completions
from components.generate.hf.work import Answer, Counts, Kind

RUNNERS: Mapping[Kind, ModuleType] = {"choice": choices, "completion": completions}
"""Kind of request -> the module that plans and runs it."""


class HfBackend:
    """Answers requests with a transformers causal LM, on a GPU where there is one."""

    def __init__(self, folder: Path, *, batch_size: int = 0) -> None:
        """Load model and tokenizer from `folder`.

        Args:
            folder: A Hugging Face directory.
            batch_size: Rows of a batch at most; 0 = as many as suits the device.

        Raises:
            TouchstoneError: the folder does not hold a causal LM that transformers can load.
        """
        self.loaded = checkpoint.load(folder)
        self.model, self.tokenizer = self.loaded.model, self.loaded.tokenizer
        self.batch_size = batch_size

    def answer(self, requests: Sequence[Request], model: str) -> Answers:
        """Answer all requests; order of the answers = order of the requests of each kind.

        Raises:
            TouchstoneError: a chat request without a chat template, or a prompt longer than the model's context.
        """
        units = [
            unit
            for kind, runner in RUNNERS.items()
            for unit in runner.plan(self.loaded, requests, [i for i, r in enumerate(requests) if r.kind == kind])
        ]
        found: dict[int, Answer] = {}
        counts = Counts()
        for unit in tqdm(units, desc="answering", disable=None, leave=False):
            asked = [requests[index] for index in unit.requests]
            done = RUNNERS[unit.kind].run(self.loaded, asked, model, self.batch_size)
            found.update(zip(unit.requests, done.answers, strict=True))
            counts.add(done.counts)
        rows = [found[index] for index in sorted(found)]
        return Answers(
            [row for row in rows if isinstance(row, Completion)],
            [row for row in rows if isinstance(row, ChoiceScore)],
            [row for row in rows if isinstance(row, TextScore)],
            metrics=counts.metrics(),
        )
