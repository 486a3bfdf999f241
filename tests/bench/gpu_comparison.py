"""`python -m tests.bench.gpu_comparison`: ours beside the references on one GPU, in under ten minutes.

For each shape and each kind of work one JSON line, then a table in Markdown. Only what was measured is printed; what
there was no time for is named on stderr. `--device cpu --shape tiny` runs the same code anywhere in a minute.

The reference is lm-evaluation-harness's HFLM (transformers' `generate` for long answers) on the same weights, at the
best of a few batch sizes. The share of the roofline is the least time that the counts allow over the time taken: 2 x
weights x positions of the body and of the vocabulary projection (padding included, attention's own products left out)
at the speed that one large matrix product reached here, or, of answers, all weights read once for every step of a full
batch at the speed of one large copy, whichever is longer.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from components.contracts.rows import Request
from components.generate.backend import Answers
from components.generate.hf import completions
from components.generate.hf.checkpoint import LoadedModel
from components.generate.hf.memory import free_caches, is_out_of_memory
from tests.bench import random_shapes
from tests.bench.random_shapes import SHAPES, STOP, Shape

Values = list[Any]
Reference = Callable[[LoadedModel, Sequence[Request], int], Values]
SLICE, TRIAL_TOKENS = 48, 64
"""Requests on which batch sizes are tried, and ours is warmed up; the longest of their answers."""


class Work(NamedTuple):
    """A kind of work and who else does it."""

    requests: Callable[[Shape, int], list[Request]]
    reference: Reference
    name: str
    """Of the reference."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--shape", action="append", choices=list(SHAPES), help="default: all but tiny")
    parser.add_argument("--minutes", type=float, default=9.0, help="begin nothing new after so long")
    given = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    ends, found = time.monotonic() + 60 * given.minutes, []
    peaks: dict[torch.dtype, Peak] = {}
    for name in given.shape or [shape for shape in SHAPES if shape != "tiny"]:
        shape = SHAPES[name]
        if shape.dtype not in peaks:
            peak = peaks[shape.dtype] = measured_peak(given.device, shape.dtype)
            told = {"peak_tflops": round(peak.flops / 1e12, 2), "peak_gb_per_s": round(peak.bytes / 1e9, 1)}
            _say({**described(given.device), "dtype": str(shape.dtype), **told})
        loaded = random_shapes.random_model(shape, given.device)
        for kind, work in WORKS.items():
            if time.monotonic() > ends:
                sys.stderr.write(f"{name}, {kind}: left out, the time is up\n")
                continue
            made = {"shape": name, "kind": kind, **compared(loaded, shape, work, peaks[shape.dtype])}
            _say(made)
            found.append(made)
        del loaded
        free_caches()
    print(table(found), flush=True)


def _say(record: Mapping[str, Any]) -> None:
    print(json.dumps(record), flush=True)


def described(device: str) -> dict[str, str]:
    """What it is measured on."""
    kind = torch.cuda.get_device_name(device) if device.startswith("cuda") else "CPU"
    return {"device": kind, "torch": str(torch.__version__)}


class Peak(NamedTuple):
    """What the device can do, each a second."""

    flops: float
    bytes: float
    """Read and written."""


def measured_peak(device: str, dtype: torch.dtype) -> Peak:
    """The largest matrix product's and the largest copy's speed, the best of several each."""
    on_gpu = device.startswith("cuda")
    size, length = (8192, 2**29) if on_gpu else (1024, 2**25)
    one, two = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    product = min(_timed(lambda: (one @ two)[0, 0].item())[0] for _ in range(8))
    source, target = (torch.zeros(length, dtype=torch.uint8, device=device) for _ in range(2))
    copy = min(_timed(lambda: target.copy_(source)[0].item())[0] for _ in range(8))
    return Peak(2 * size**3 / product, 2 * length / copy)


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds and result; the result is on the host, so nothing is still under way."""
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def compared(loaded: LoadedModel, shape: Shape, work: Work, peak: Peak) -> dict[str, Any]:
    """Both on the same requests."""
    from components.generate.hf.engine import HfBackend

    requests, backend = work.requests(shape, loaded.model.config.vocab_size), HfBackend(loaded)
    # Cut short, so that trying takes little of the time.
    trial = [r.model_copy(update={"max_tokens": min(r.max_tokens, TRIAL_TOKENS)}) for r in requests[:SLICE]]
    backend.answer(trial, "m")
    before, answers = _timed(lambda: backend.answer(requests, "m"))
    batch = _best_batch(loaded, shape, work, trial)
    reference_s, expected = _timed(lambda: work.reference(loaded, requests, batch))
    after, _ = _timed(lambda: backend.answer(requests, "m"))
    ours_s, counts = (before + after) / 2, answers.metrics
    return {
        "requests": len(requests),
        "ours_s": round(ours_s, 3),
        "ours_runs_s": [round(before, 3), round(after, 3)],
        "reference": f"{work.name}, batch {batch} (best of {', '.join(map(str, shape.batches))})",
        "reference_s": round(reference_s, 3),
        "ratio": round(reference_s / ours_s, 2),
        **agreement(answers, expected),
        **{name: int(counts[name]) for name in COUNTS},
        "tokens_per_second": round((counts["computed_tokens"]) / ours_s),
        "share_of_roofline": round(least_seconds(loaded, requests, counts, peak) / ours_s, 4),
    }


COUNTS = ("input_tokens", "computed_tokens", "padding_tokens", "projected_positions", "cache_bytes")


def least_seconds(loaded: LoadedModel, requests: Sequence[Request], counts: Mapping[str, float], peak: Peak) -> float:
    """The time that the counts allow."""
    model = loaded.model
    head = model.get_output_embeddings().weight.numel()
    tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    body = sum(weight.numel() for weight in model.parameters()) - (head if tied else 2 * head)
    positions = counts["computed_tokens"] + counts["padding_tokens"]
    computing = (2 * body * positions + 2 * head * counts["projected_positions"]) / peak.flops
    if requests[0].kind != "completion":
        return float(computing)
    steps = counts["projected_positions"] / completions.rows_for(loaded, requests)
    return float(max(computing, steps * (body + head) * model.dtype.itemsize / peak.bytes))


def agreement(answers: Answers, expected: Values) -> dict[str, Any]:
    """How far the results are the same."""
    if answers.completions:
        same = sum(row.text.split() == text.split() for row, text in zip(answers.completions, expected, strict=True))
        return {"equal_texts": f"{same} of {len(expected)}"}
    if answers.text_scores:
        apart = [
            abs(value - (row.logprob or 0.0)) / row.num_tokens
            for row, value in zip(answers.text_scores, expected, strict=True)
        ]
        return {"largest_difference_per_token": max(apart)}
    ours = torch.tensor([row.logprobs for row in answers.choice_scores])
    theirs = torch.tensor(expected).reshape(ours.shape)
    flips = int((ours.argmax(1) != theirs.argmax(1)).sum())
    return {"largest_difference": float((ours - theirs).abs().max()), "flips": f"{flips} of {len(ours)}"}


def _best_batch(loaded: LoadedModel, shape: Shape, work: Work, requests: Sequence[Request]) -> int:
    seconds = {}
    for batch in shape.batches:
        try:
            seconds[batch] = _timed(lambda batch=batch: work.reference(loaded, requests, batch))[0]
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        free_caches()
    return min(seconds, key=seconds.__getitem__)


def _harness(loaded: LoadedModel, batch: int) -> Any:
    from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=loaded.model, tokenizer=loaded.tokenizer, batch_size=batch)


def _instances(kind: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
    from lm_eval.api.instance import Instance

    return [Instance(kind, {}, given, index) for index, given in enumerate(arguments)]


def _choices(loaded: LoadedModel, requests: Sequence[Request], batch: int) -> Values:
    asked = _instances("loglikelihood", [(r.prompt, choice) for r in requests for choice in r.choices])
    return [value for value, _ in _harness(loaded, batch).loglikelihood(asked, disable_tqdm=True)]


def _texts(loaded: LoadedModel, requests: Sequence[Request], batch: int) -> Values:
    asked = _instances("loglikelihood_rolling", [(r.prompt,) for r in requests])
    return list(_harness(loaded, batch).loglikelihood_rolling(asked, disable_tqdm=True))


def _short(loaded: LoadedModel, requests: Sequence[Request], batch: int) -> Values:
    settings = {"until": [STOP], "max_gen_toks": requests[0].max_tokens, "do_sample": False}
    asked = _instances("generate_until", [(r.prompt, settings) for r in requests])
    return list(_harness(loaded, batch).generate_until(asked, disable_tqdm=True))


@torch.inference_mode()
def _long(loaded: LoadedModel, requests: Sequence[Request], batch: int) -> Values:
    tok, found = loaded.tokenizer, [""] * len(requests)
    tok.padding_side = "left"
    order = sorted(range(len(requests)), key=lambda i: len(requests[i].prompt))
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        inputs = tok([requests[i].prompt for i in chosen], padding=True, return_tensors="pt").to(loaded.device)
        inputs.pop("token_type_ids", None)
        made = loaded.model.generate(**inputs, max_new_tokens=requests[0].max_tokens, do_sample=False)
        written = tok.batch_decode(made[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        for index, text in zip(chosen, written, strict=True):
            found[index] = text
    return found


WORKS = {
    "choices, 5 shots": Work(random_shapes.choices, _choices, "lm_eval HFLM"),
    "short answers, 3 shots": Work(random_shapes.short_answers, _short, "lm_eval HFLM"),
    "long answers": Work(random_shapes.long_answers, _long, "transformers generate"),
    "whole texts": Work(random_shapes.whole_texts, _texts, "lm_eval HFLM"),
}


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """In Markdown."""
    head = ("shape", "work", "requests", "ours", "reference", "ratio", "agreement", "tokens alone / computed")
    head += ("padding", "KV", "share of the roofline")
    rows = [head, ("---",) * len(head)]
    for one in found:
        computed, padding = one["computed_tokens"], one["padding_tokens"]
        agreed = {
            key: one[key]
            for key in ("equal_texts", "largest_difference", "largest_difference_per_token", "flips")
            if key in one
        }
        said = ", ".join(
            f"{key.replace('_', ' ')} {value:.1e}" if isinstance(value, float) else f"{key.replace('_', ' ')} {value}"
            for key, value in agreed.items()
        )
        rows.append(
            (
                one["shape"],
                one["kind"],
                str(one["requests"]),
                f"{one['ours_s']:.2f} s",
                f"{one['reference']}: {one['reference_s']:.2f} s",
                f"{one['ratio']:.1f}",
                said,
                f"{one['input_tokens']:,} / {computed:,} = {one['input_tokens'] / computed:.1f}",
                f"{padding / (computed + padding):.1%}",
                f"{one['cache_bytes'] / 2**20:.0f} MiB",
                f"{one['share_of_roofline']:.1%}",
            )
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    main()
