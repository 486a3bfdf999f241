"""Completions for models whose state cannot live in slots: transformers' own loop, rows of equal length together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from transformers import GenerationConfig, LogitsProcessor, StoppingCriteria

from components.contracts.rows import Request
from components.generate.hf.checkpoint import LoadedModel
from components.generate.hf.decoding import Written
from components.generate.hf.sampling import BROKEN, choose, end_tokens, uniforms
from components.generate.hf.stops import StopWatch
from components.generate.hf.work import Counts


def write_plainly(
    loaded: LoadedModel, requests: Sequence[Request], prompts: Sequence[tuple[int, ...]], max_rows: int
) -> tuple[list[Written], Counts]:
    """Every row's tokens, in the order of the requests, and what they cost.

    A batch holds prompts of equal length, so that nothing is padded: a recurrent state would read the padding. Rows
    that end are computed on until the batch ends; `Counts` calls that padding. `cache_bytes` is not known here.

    Args:
        loaded: The model.
        requests: Each with at least one token to write.
        prompts: Their tokens.
        max_rows: Rows of a batch at most.
    """
    order = sorted(range(len(prompts)), key=lambda i: (-len(prompts[i]), requests[i].max_tokens, i))
    done: dict[int, Written] = {}
    counts = Counts()
    while order:
        length = len(prompts[order[0]])
        batch = [at for at in order[:max_rows] if len(prompts[at]) == length]
        order = order[len(batch) :]
        made = _write_batch(loaded, [requests[at] for at in batch], [prompts[at] for at in batch], counts)
        done.update(zip(batch, made, strict=True))
    return [done[at] for at in range(len(prompts))], counts


def _write_batch(
    loaded: LoadedModel, requests: Sequence[Request], prompts: Sequence[tuple[int, ...]], counts: Counts
) -> list[Written]:
    rows = _Rows(loaded, requests)
    ids = torch.tensor(prompts, device=loaded.device)
    settings = GenerationConfig(max_new_tokens=max(r.max_tokens for r in requests), do_sample=False, pad_token_id=0)
    with _bare_settings(loaded.model):
        loaded.model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            generation_config=settings,
            logits_processor=[rows],
            stopping_criteria=[_Ended(rows)],
        )
    useful = ids.numel() + sum(steps - 1 for steps in rows.steps)
    counts.input_tokens += useful
    counts.computed_tokens += useful
    counts.padding_tokens += len(prompts) * (rows.step - 1) - sum(steps - 1 for steps in rows.steps)
    counts.projected_positions += len(prompts) * rows.step
    return [Written(tuple(w), e, b) for w, e, b in zip(rows.written, rows.ended, rows.broken, strict=True)]


class _Rows(LogitsProcessor):  # type: ignore[misc]
    """Chooses every row's next token where transformers would, and makes that the only one it can take."""

    def __init__(self, loaded: LoadedModel, requests: Sequence[Request]) -> None:
        self.requests = requests
        self.watches = [StopWatch(loaded.tokenizer, request.stop) for request in requests]
        self.ends = end_tokens(loaded.model, loaded.tokenizer)
        self.heat = np.array([request.temperature for request in requests], dtype=np.float32)
        self.nuclei = np.array([request.top_p for request in requests], dtype=np.float32)
        self.draws = np.zeros((len(requests), max(request.max_tokens for request in requests)))
        for row, request in enumerate(requests):
            if request.temperature > 0:
                self.draws[row, : request.max_tokens] = uniforms(request)
        self.written: list[list[int]] = [[] for _ in requests]
        self.ended, self.broken = [False] * len(requests), [False] * len(requests)
        self.done = [False] * len(requests)
        self.steps = [0] * len(requests)
        """Tokens chosen by each row, its end token included."""
        self.step = 0

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Scores that leave one token."""
        chosen = choose(scores, self.heat, self.nuclei, self.draws[:, min(self.step, self.draws.shape[1] - 1)])
        self.step += 1
        for row, token in enumerate(chosen.tolist()):
            if not self.done[row]:
                self._take(row, token)
        forced = torch.full_like(scores, -torch.inf)
        return forced.scatter_(1, torch.from_numpy(chosen.clip(0)).to(scores.device)[:, None], 0.0)

    def _take(self, row: int, token: int) -> None:
        self.steps[row] += 1
        self.broken[row], self.ended[row] = token == BROKEN, token in self.ends
        if not (self.broken[row] or self.ended[row]):
            self.written[row].append(token)
        watch = self.watches[row]
        self.done[row] = (
            self.broken[row]
            or self.ended[row]
            or len(self.written[row]) >= self.requests[row].max_tokens
            or bool(watch.may_end(np.array([token]))[0] and watch.ended(self.written[row]))
        )


class _Ended(StoppingCriteria):  # type: ignore[misc]
    def __init__(self, rows: _Rows) -> None:
        self.rows = rows

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        """Which rows are finished."""
        return torch.tensor(self.rows.done, device=input_ids.device)


@contextmanager
def _bare_settings(model: Any) -> Iterator[None]:
    """Without the checkpoint's generation settings: a request says all there is to say, temperature included."""
    kept = model.generation_config
    model.generation_config = GenerationConfig()
    try:
        yield
    finally:
        model.generation_config = kept
