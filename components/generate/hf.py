"""transformers backend: any causal LM in a local folder, with prefixes shared and finished rows dropped.

Requests are sorted by their tokens, so neighbours share the longest possible prefix (the few-shot examples of a
benchmark); a batch runs that prefix once and copies its keys and values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from tqdm import tqdm
from transformers import AutoModelForCausalLM, AutoTokenizer

from components.contracts.errors import TouchstoneError
from components.contracts.rows import ChoiceScore, Completion, Request
from components.generate.backends import Answers
from components.generate.prefix import Prefix, run_prefix
from components.generate.sampling import Sampler, text_until


class Scored(NamedTuple):
    """One choice of one request as tokens: context, then continuation."""

    request: int
    choice: int
    tokens: tuple[int, ...]
    num_scored: int


class HfBackend:
    """Answers requests with a transformers causal LM, on a GPU where there is one."""

    def __init__(self, folder: Path, *, batch_size: int = 256) -> None:
        """Load model and tokenizer from `folder`; nothing is fetched and no code in the folder is executed.

        Raises:
            TouchstoneError: the folder does not hold a causal LM that transformers can load.
        """
        try:
            self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            loaded = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, output_loading_info=True)
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise TouchstoneError(
                f"{folder} cannot be loaded: {str(error).splitlines()[0]}",
                expected="a Hugging Face causal LM: config.json, model.safetensors and a tokenizer",
            ) from error
        self.model: Any = loaded[0]
        if missing := sorted(loaded[1]["missing_keys"]):
            # transformers fills them with random numbers and only logs it.
            raise TouchstoneError(
                f"{folder} lacks the weights of {', '.join(missing[:3])}{' and others' if len(missing) > 3 else ''}",
                expected="a checkpoint with every weight of the model its config.json describes",
            )
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model.to(self.device).eval()
        self.batch_size = batch_size

    @torch.inference_mode()
    def answer(self, requests: Sequence[Request], model: str) -> Answers:
        """Answer all requests; order of the answers = order of the requests of each kind.

        Raises:
            TouchstoneError: a chat request without a chat template, or a prompt longer than the model's context.
        """
        said = self._complete([r for r in requests if r.kind == "completion"], model)
        weighed = self._weigh([r for r in requests if r.kind == "choice"], model)
        return Answers(said, weighed)

    # -- tokens -----------------------------------------------------------------------------------------------------

    def _prompt(self, request: Request) -> str:
        if not request.chat:
            return request.prompt
        if not self.tokenizer.chat_template:
            raise TouchstoneError(
                f"request {request.id} asks for a chat, and the checkpoint's tokenizer has no chat template",
                expected="a fine-tuned checkpoint, or a raw prompt",
                remedy="ask base models with chat: false",
            )
        message = [{"role": "user", "content": request.prompt}]
        return str(self.tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True))

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        if not texts:
            return []
        return [list(ids) for ids in self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]]

    def _start(self) -> int:
        # An empty context still needs a token to predict from.
        for candidate in (self.tokenizer.bos_token_id, self.tokenizer.eos_token_id):
            if candidate is not None:
                return int(candidate)
        raise TouchstoneError("the tokenizer has neither a beginning nor an end token", expected="one of them")

    def _scored(self, requests: Sequence[Request]) -> list[Scored]:
        """Tokens of every choice. White space at the seam belongs to the continuation, as in lm-evaluation-harness."""
        prompts = [self._prompt(request) for request in requests]
        before = self._encode([prompt.rstrip() for prompt in prompts])
        pairs = [(i, c) for i, request in enumerate(requests) for c in range(len(request.choices))]
        whole = self._encode([prompts[i] + requests[i].choices[c] for i, c in pairs])
        made = []
        for (i, c), tokens in zip(pairs, whole, strict=True):
            context = before[i] or [self._start()]
            continuation = tokens[len(before[i]) :]
            if not continuation:
                raise TouchstoneError(
                    f"request {requests[i].id}: choice {requests[i].choices[c]!r} adds no token to its prompt",
                    expected="choices that begin where the prompt's last token ends, usually with a space",
                )
            made.append(Scored(i, c, (*context, *continuation), len(continuation)))
        return made

    def _fits(self, length: int, request: Request) -> None:
        limit = getattr(self.model.config, "max_position_embeddings", None)
        if limit is not None and length > limit:
            raise TouchstoneError(
                f"request {request.id} needs {length} tokens of context",
                expected=f"at most {limit}, the model's limit",
                remedy="use fewer shots or a smaller max_tokens",
            )

    # -- choices ----------------------------------------------------------------------------------------------------

    def _weigh(self, requests: Sequence[Request], model: str) -> list[ChoiceScore]:
        scored = self._scored(requests)
        for item in scored:
            # The last token is predicted, never read.
            self._fits(len(item.tokens) - 1, requests[item.request])
        # Keyed by what the model reads, which is everything but the last token: one-token choices (A, B, C, D) of an
        # item become one row. Sorted, so that neighbours share their beginnings.
        by_input: dict[tuple[int, ...], list[Scored]] = {}
        for item in scored:
            by_input.setdefault(item.tokens[:-1], []).append(item)
        logprobs: dict[tuple[int, int], float] = {}
        for batch in self._batches(sorted(by_input), "scoring choices"):
            for item, value in self._score_batch(batch, by_input):
                logprobs[item.request, item.choice] = value
        counts = {(item.request, item.choice): item.num_scored for item in scored}
        return [
            ChoiceScore(
                request_id=request.id,
                model=model,
                logprobs=tuple(logprobs[index, c] for c in range(len(request.choices))),
                num_tokens=tuple(counts[index, c] for c in range(len(request.choices))),
            )
            for index, request in enumerate(requests)
        ]

    def _score_batch(
        self, batch: Sequence[tuple[int, ...]], by_input: Mapping[tuple[int, ...], Sequence[Scored]]
    ) -> list[tuple[Scored, float]]:
        # The last context token predicts the first scored one, so it must stay outside the shared prefix.
        limit = min(len(read) - item.num_scored for read in batch for item in by_input[read])
        prefix = run_prefix(self.model, batch, limit, self.device)
        rest = [read[prefix.length :] for read in batch]
        width = max(map(len, rest))
        ids = torch.zeros((len(batch), width), dtype=torch.long)
        mask = torch.zeros((len(batch), width), dtype=torch.long)
        for row, tokens in enumerate(rest):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(tokens)] = 1
        logits = self._forward(prefix, ids, mask, torch.arange(width).expand(len(batch), -1))
        items = [(row, item) for row, read in enumerate(batch) for item in by_input[read]]
        at = [(row, len(rest[row]) - item.num_scored + k) for row, item in items for k in range(item.num_scored)]
        targets = torch.tensor([token for _, item in items for token in item.tokens[-item.num_scored :]])
        rows, columns = torch.tensor(at, device=self.device).T
        # One softmax over all needed positions: hundreds of small ones cost more than the model.
        chosen = logits[rows, columns].float().log_softmax(-1).cpu().gather(-1, targets[:, None]).squeeze(-1)
        sums = [float(part.sum()) for part in chosen.split([item.num_scored for _, item in items])]
        return [(item, value) for (_, item), value in zip(items, sums, strict=True)]

    def _forward(self, prefix: Prefix, ids: Any, mask: Any, positions: Any) -> Any:
        cache = prefix.copies(len(ids))
        full = torch.cat([torch.ones((len(ids), prefix.length), dtype=torch.long), mask], dim=1)
        return self.model(
            input_ids=ids.to(self.device),
            attention_mask=full.to(self.device),
            position_ids=(positions + prefix.length).to(self.device),
            past_key_values=cache,
            use_cache=cache is not None,
        ).logits

    # -- completions ------------------------------------------------------------------------------------------------

    def _complete(self, requests: Sequence[Request], model: str) -> list[Completion]:
        prompts = [tokens or [self._start()] for tokens in self._encode([self._prompt(r) for r in requests])]
        for request, tokens in zip(requests, prompts, strict=True):
            self._fits(len(tokens) + request.max_tokens, request)
        # Long and short answers apart, then by tokens: a batch is as slow as its longest answer.
        order = sorted(range(len(requests)), key=lambda i: (requests[i].max_tokens, prompts[i]))
        made: dict[int, Completion] = {}
        for batch in self._batches(order, "writing"):
            written = self._generate_batch([requests[i] for i in batch], [tuple(prompts[i]) for i in batch])
            for index, (tokens, ended) in zip(batch, written, strict=True):
                made[index] = self._completion(requests[index], model, tokens, ended=ended)
        return [made[index] for index in range(len(requests))]

    def _generate_batch(
        self, requests: Sequence[Request], prompts: Sequence[tuple[int, ...]]
    ) -> list[tuple[list[int], bool]]:
        prefix = run_prefix(self.model, prompts, min(map(len, prompts)) - 1, self.device)
        sampler = Sampler(self.model, self.tokenizer, requests, prefix, self.device)
        return sampler.run([tokens[prefix.length :] for tokens in prompts])

    def _completion(self, request: Request, model: str, tokens: Sequence[int], *, ended: bool) -> Completion:
        text = self.tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        kept, stopped = text_until(text, request.stop)
        return Completion(
            prompt_id=request.id,
            model=model,
            prompt=request.prompt,
            text=kept,
            finish="stop" if ended or stopped else "length",
            num_tokens=len(tokens),
        )

    def _batches(self, items: Sequence[Any], doing: str) -> Iterator[Sequence[Any]]:
        starts = range(0, len(items), self.batch_size)
        for start in tqdm(starts, desc=doing, disable=None, leave=False):
            yield items[start : start + self.batch_size]
