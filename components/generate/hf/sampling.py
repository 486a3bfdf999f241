"""Decoding a batch token by token; every request draws from a random stream of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache

from components.contracts.rows import Request
from components.generate.hf.prefix import Prefix


def text_until(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """Cut `text` before the first of `stops`; tells whether one was found."""
    found = [position for stop in stops if (position := text.find(stop)) >= 0]
    return (text[: min(found)], True) if found else (text, False)


class Sampler:
    """One batch being decoded. Rows leave it when they end, so that long answers do not drag short ones along."""

    def __init__(
        self, model: Any, tokenizer: Any, requests: Sequence[Request], prefix: Prefix, device: torch.device
    ) -> None:
        """Draw all random numbers up front: one uniform per request and step."""
        self.model, self.tokenizer, self.prefix, self.device = model, tokenizer, prefix, device
        self.requests = requests
        self.uniforms = torch.stack([_uniforms(r, max(r.max_tokens for r in requests)) for r in requests])
        self.temperatures = torch.tensor([r.temperature for r in requests])
        ends = model.generation_config.eos_token_id if model.generation_config else None
        listed = ends if isinstance(ends, list) else [ends]
        self.ends = {int(e) for e in [*listed, tokenizer.eos_token_id] if e is not None}

    def run(self, prompts: Sequence[Sequence[int]]) -> list[tuple[list[int], bool]]:
        """Tokens of each row without its end token, and whether it ended by itself.

        Args:
            prompts: What follows the shared prefix, at least one token a row.
        """
        ids, mask = _left_padded(prompts)
        cache = self.prefix.copies(len(ids)) or DynamicCache(config=self.model.config)
        mask = torch.cat([torch.ones((len(ids), self.prefix.length), dtype=torch.long), mask], dim=1)
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, self.prefix.length :]
        written: list[list[int]] = [[] for _ in prompts]
        ended = [False] * len(prompts)
        alive = [row for row, request in enumerate(self.requests) if request.max_tokens > 0]
        if len(alive) < len(prompts):
            ids, mask, positions = ids[alive], mask[alive], positions[alive]
            _keep(cache, alive)
        step = 0
        while alive:
            logits = self.model(
                input_ids=ids.to(self.device),
                attention_mask=mask.to(self.device),
                position_ids=positions.to(self.device),
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[:, -1]
            chosen = self._choose(logits.float().cpu(), alive, step).tolist()
            step += 1
            staying = [at for at, row in enumerate(alive) if self._take(row, chosen[at], written, ended)]
            ids = torch.tensor([[chosen[at]] for at in staying], dtype=torch.long)
            if len(staying) < len(alive):
                mask, positions = mask[staying], positions[staying]
                if staying:
                    _keep(cache, staying)
                alive = [alive[at] for at in staying]
            mask = torch.cat([mask, torch.ones((len(mask), 1), dtype=torch.long)], dim=1)
            positions = positions[:, -1:] + 1
        return list(zip(written, ended, strict=True))

    def _take(self, row: int, token: int, written: list[list[int]], ended: list[bool]) -> bool:
        """Add a token to a row; False when the row is finished."""
        if token in self.ends:
            ended[row] = True
            return False
        written[row].append(token)
        request = self.requests[row]
        if len(written[row]) >= request.max_tokens:
            return False
        # Decoding the last few tokens is enough to see a stop string arrive.
        return not (request.stop and text_until(self._tail(written[row], request), request.stop)[1])

    def _tail(self, tokens: Sequence[int], request: Request) -> str:
        window = max(map(len, request.stop)) + 8
        return str(self.tokenizer.decode(tokens[-window:], skip_special_tokens=True))

    def _choose(self, logits: Any, alive: Sequence[int], step: int) -> Any:
        """Greedy at temperature 0, else inverse transform: the first token whose cumulative share passes the draw."""
        temperatures = self.temperatures[list(alive)]
        greedy = logits.argmax(-1)
        if not bool((temperatures > 0).any()):
            return greedy
        shares = (logits / temperatures.clamp(min=1e-6)[:, None]).softmax(-1).double().cumsum(-1)
        draws = self.uniforms[list(alive), step, None] * shares[:, -1:]
        sampled = torch.searchsorted(shares, draws, right=True).squeeze(-1).clamp(max=logits.shape[-1] - 1)
        return torch.where(temperatures > 0, sampled, greedy)


def _uniforms(request: Request, count: int) -> Any:
    generator = torch.Generator().manual_seed(request.seed)
    return torch.rand(count, generator=generator, dtype=torch.float64)


def _left_padded(rows: Sequence[Sequence[int]]) -> tuple[Any, Any]:
    width = max(map(len, rows))
    ids = torch.zeros((len(rows), width), dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for row, tokens in enumerate(rows):
        ids[row, width - len(tokens) :] = torch.tensor(list(tokens))
        mask[row, width - len(tokens) :] = 1
    return ids, mask


def _keep(cache: Any, rows: Sequence[int]) -> None:
    cache.batch_select_indices(torch.tensor(list(rows)))
