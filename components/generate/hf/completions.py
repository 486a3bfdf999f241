"""Completions: plans, batch sizes, and answers from what was written."""

from __future__ import annotations

import itertools
import os
from collections import defaultdict
from collections.abc import Sequence

import torch

from components.contracts.rows import Completion, Request
from components.generate.hf.checkpoint import LoadedModel
from components.generate.hf.decoding import Decoder, Written
from components.generate.hf.fit import bytes_per_token, why_not_slots
from components.generate.hf.plain import write_plainly
from components.generate.hf.prompts import Prompt, prefix_groups, prompts_of
from components.generate.hf.stops import decode, text_until
from components.generate.hf.work import Counts, Done, Unit

UNIT_TOKENS, SMALLEST_UNIT, LARGEST_UNIT = 65536, 128, 512
"""A unit writes about UNIT_TOKENS tokens at most: what a kill can lose."""
CPU_ROWS, CUDA_ROWS = 64, 256
"""More rows make a step no faster per row."""
NOT_A_NUMBER = "the model's output is not a number"


def plan(loaded: LoadedModel, requests: Sequence[Request], positions: Sequence[int]) -> list[Unit]:
    """Cut completion requests into units.

    Apart go answers of unlike greatest length (up to 1, 2, 4, 8, ... tokens: a batch ends with its longest) and
    prompts that gain from a prefix of their own; within such a group requests are sorted by length. The plan depends on
    requests and tokenizer only.

    Args:
        loaded: The model.
        requests: All requests of the run, of every kind.
        positions: Which of them are completion requests.
    """
    prompts = dict(zip(positions, prompts_of(loaded, [requests[at] for at in positions]), strict=True))
    classes: dict[int, list[int]] = defaultdict(list)
    for at in positions:
        classes[max(requests[at].max_tokens - 1, 0).bit_length()].append(at)
    units = []
    for size in sorted(classes):
        members = classes[size]
        bound = min(max(UNIT_TOKENS >> size, SMALLEST_UNIT), LARGEST_UNIT)
        for group in prefix_groups([prompts[at].tokens for at in members]):
            order = sorted(
                (members[i] for i in group), key=lambda at: (len(prompts[at].tokens), prompts[at].tokens, at)
            )
            # Parts of like size: a last unit of a few rows would run all but alone.
            count = -(-len(order) // bound)
            cuts = [len(order) * part // count for part in range(count + 1)]
            units += [Unit("completion", tuple(order[a:b])) for a, b in itertools.pairwise(cuts)]
    return units


def rows_for(loaded: LoadedModel, requests: Sequence[Request]) -> int:
    """Rows of a batch that suit the device.

    rows = share x memory / (tokens of the longest row x bytes per token + 16 x vocabulary), where bytes per token is
    as in `fit.bytes_per_token` and 16 bytes a token of the vocabulary hold its logit, a copy of it and a double for
    sampling. Memory and share: on CUDA what is free (with what torch holds unused) and 0.8, elsewhere the machine's
    and 0.25. At most CUDA_ROWS or CPU_ROWS.

    Args:
        loaded: The model.
        requests: Those of a unit.
    """
    prompts = prompts_of(loaded, requests)
    longest = max((len(p.tokens) + r.max_tokens for p, r in zip(prompts, requests, strict=True)), default=1)
    if loaded.device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(loaded.device)
        unused = torch.cuda.memory_reserved(loaded.device) - torch.cuda.memory_allocated(loaded.device)
        memory, most = 0.8 * (free + unused), CUDA_ROWS
    else:
        memory, most = 0.25 * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), CPU_ROWS
    vocabulary = loaded.model.config.get_text_config(decoder=True).vocab_size
    row = longest * bytes_per_token(loaded.model) + 16 * vocabulary
    return max(1, min(int(memory // row), most, len(requests) or 1))


@torch.inference_mode()
def run(loaded: LoadedModel, requests: Sequence[Request], model: str, max_rows: int) -> Done:
    """Answer the requests of one unit; the same call gives the same bits.

    `Counts.input_tokens` is what the rows would read each alone with a cache: prompts, and what was written but for
    each last token. Without a shared prefix and repeated prompts it equals `computed_tokens`.

    Args:
        loaded: The model.
        requests: Those of the unit, in its order.
        model: Name of the model in the answers.
        max_rows: Rows of a batch at most; 0 = as many as suits the device, by `rows_for`.

    Raises:
        torch.OutOfMemoryError: with nothing held: the same call with fewer rows may follow.
    """
    prompts = prompts_of(loaded, requests)
    asked = [at for at, request in enumerate(requests) if prompts[at].unanswered is None and request.max_tokens > 0]
    written = {at: Written((), False, False) for at in range(len(requests))}
    counts = Counts()
    if asked:
        made, counts = _write(loaded, [requests[at] for at in asked], [prompts[at].tokens for at in asked], max_rows)
        written.update(zip(asked, made, strict=True))
    answers = [_completion(loaded, request, model, prompts[at], written[at]) for at, request in enumerate(requests)]
    return Done(answers, counts)


def _write(
    loaded: LoadedModel, requests: Sequence[Request], prompts: Sequence[tuple[int, ...]], max_rows: int
) -> tuple[list[Written], Counts]:
    rows = max_rows or rows_for(loaded, requests)
    columns = max(len(tokens) + r.max_tokens - 1 for tokens, r in zip(prompts, requests, strict=True))
    if why_not_slots(loaded.model, columns):
        return write_plainly(loaded, requests, prompts, rows)
    decoder = Decoder(loaded, requests, prompts, rows)
    return decoder.run(), decoder.counts


def _completion(loaded: LoadedModel, request: Request, model: str, prompt: Prompt, written: Written) -> Completion:
    unanswered = prompt.unanswered or (NOT_A_NUMBER if written.broken else None)
    text, stopped = text_until(decode(loaded.tokenizer, written.tokens), request.stop)
    return Completion(
        prompt_id=request.id,
        model=model,
        prompt=request.prompt,
        text="" if unanswered else text,
        finish="unknown" if unanswered else "stop" if written.ended or stopped else "length",
        num_tokens=None if unanswered else len(written.tokens),
        cut_tokens=prompt.cut,
        unanswered=unanswered,
    )
