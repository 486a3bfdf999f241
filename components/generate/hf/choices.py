"""Log-probabilities of choices: each distinct input is read once, what a batch has in common once for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from components.contracts.rows import ChoiceScore, Request
from components.generate.hf.checkpoint import LoadedModel
from components.generate.hf.prefix import Prefix, run_prefix
from components.generate.hf.tokens import Scored, check_length, scored_choices
from components.generate.hf.work import Counts, Done, Unit

ROWS = 256


def plan(loaded: LoadedModel, requests: Sequence[Request], positions: Sequence[int]) -> list[Unit]:
    """Cut choice requests into units.

    Args:
        loaded: The model.
        requests: All requests of the run, of every kind.
        positions: Which of them are choice requests.
    """
    return [Unit("choice", tuple(positions))] if positions else []


@torch.inference_mode()
def run(loaded: LoadedModel, requests: Sequence[Request], model: str, max_rows: int) -> Done:
    """Answer the requests of one unit.

    Args:
        loaded: The model.
        requests: Those of the unit, in its order.
        model: Name of the model in the answers.
        max_rows: Rows of a batch at most; 0 = as many as suits the device.
    """
    scored = scored_choices(loaded, requests)
    for item in scored:
        # The last token is predicted, never read.
        check_length(loaded, len(item.tokens) - 1, requests[item.request])
    # Keyed by what the model reads, which is everything but the last token: one-token choices (A, B, C, D) of an
    # item become one row. Sorted, so that neighbours share their beginnings.
    by_input: dict[tuple[int, ...], list[Scored]] = {}
    for item in scored:
        by_input.setdefault(item.tokens[:-1], []).append(item)
    inputs, rows = sorted(by_input), max_rows or ROWS
    logprobs: dict[tuple[int, int], float] = {}
    for start in range(0, len(inputs), rows):
        for item, value in _score_batch(loaded, inputs[start : start + rows], by_input):
            logprobs[item.request, item.choice] = value
    counts = {(item.request, item.choice): item.num_scored for item in scored}
    answers = [
        ChoiceScore(
            request_id=request.id,
            model=model,
            logprobs=tuple(logprobs[index, c] for c in range(len(request.choices))),
            num_tokens=tuple(counts[index, c] for c in range(len(request.choices))),
        )
        for index, request in enumerate(requests)
    ]
    return Done(answers, Counts())


def _score_batch(
    loaded: LoadedModel, batch: Sequence[tuple[int, ...]], by_input: Mapping[tuple[int, ...], Sequence[Scored]]
) -> list[tuple[Scored, float]]:
    # The last context token predicts the first scored one, so it must stay outside the shared prefix.
    limit = min(len(read) - item.num_scored for read in batch for item in by_input[read])
    prefix = run_prefix(loaded.model, batch, limit, loaded.device)
    rest = [read[prefix.length :] for read in batch]
    width = max(map(len, rest))
    ids = torch.zeros((len(batch), width), dtype=torch.long)
    mask = torch.zeros((len(batch), width), dtype=torch.long)
    for row, tokens in enumerate(rest):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        mask[row, : len(tokens)] = 1
    logits = _forward(loaded, prefix, ids, mask, torch.arange(width).expand(len(batch), -1))
    items = [(row, item) for row, read in enumerate(batch) for item in by_input[read]]
    at = [(row, len(rest[row]) - item.num_scored + k) for row, item in items for k in range(item.num_scored)]
    targets = torch.tensor([token for _, item in items for token in item.tokens[-item.num_scored :]])
    rows, columns = torch.tensor(at, device=loaded.device).T
    # One softmax over all needed positions: hundreds of small ones cost more than the model.
    chosen = logits[rows, columns].float().log_softmax(-1).cpu().gather(-1, targets[:, None]).squeeze(-1)
    sums = [float(part.sum()) for part in chosen.split([item.num_scored for _, item in items])]
    return [(item, value) for (_, item), value in zip(items, sums, strict=True)]


def _forward(loaded: LoadedModel, prefix: Prefix, ids: Any, mask: Any, positions: Any) -> Any:
    cache = prefix.copies(len(ids))
    full = torch.cat([torch.ones((len(ids), prefix.length), dtype=torch.long), mask], dim=1)
    return loaded.model(
        input_ids=ids.to(loaded.device),
        attention_mask=full.to(loaded.device),
        position_ids=(positions + prefix.length).to(loaded.device),
        past_key_values=cache,
        use_cache=cache is not None,
    ).logits
