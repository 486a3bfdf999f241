"""MMLU, 5 shots: log-probabilities of the four letters, ours and lm-evaluation-harness on one checkpoint.

Real questions (TOUCHSTONE_DATA), made-up ones where there are none. The model is random and of a shape whose matrix
products take the time. TOUCHSTONE_BENCH_SUBJECTS sets the number of subjects.
"""

import gzip
import json
import logging
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from components.contracts.environment import data_folder
from components.contracts.rows import Request

DATA = data_folder(Path(__file__).parents[3] / "shared" / "data")
SUBJECTS = ("us_foreign_policy", "college_chemistry", "virology", "international_law", "marketing")
"""Of the whole test set's 57, with a share of common tokens like that of all of them."""
NUM_SUBJECTS = int(os.environ.get("TOUCHSTONE_BENCH_SUBJECTS", "2"))
VOCABULARY, HIDDEN, LAYERS, HEADS, KEY_HEADS, INTERMEDIATE = 32_000, 512, 8, 8, 4, 1408
BATCHES, SLICE = (2, 8, 24), 24
"""Batch sizes tried for lm_eval, on the first items of the first subject."""


class Question(NamedTuple):
    text: str
    options: tuple[str, ...]
    answer: str


Subjects = dict[str, tuple[list[Question], list[Question]]]
"""Subject -> (shots, test questions)."""


class Measured(NamedTuple):
    """What one subject gave."""

    ours: Any
    """[questions, 4] log-probabilities."""
    reference: Any
    counts: dict[str, float]
    seconds: tuple[float, float]
    """Of the wall clock: ours, the reference's."""
    cpu_seconds: tuple[float, float]


def run() -> dict[str, Any]:
    logging.disable(logging.WARNING)
    subjects, source = _subjects()
    requests = {name: _requests(name, *questions) for name, questions in subjects.items()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        vocabulary = _checkpoint(folder, [r.prompt for asked in requests.values() for r in asked])
        ours, reference = _ours(folder), _reference(folder)
        first = next(iter(requests.values()))
        ours(first[:SLICE])
        tried = {size: _timed(reference, first[:SLICE], size)[0] for size in BATCHES}
        best = min(tried, key=lambda size: tried[size])
        made = [_measured(ours, reference, asked, best) for asked in requests.values()]
    values, expected = (np.concatenate([getattr(each, name) for each in made]) for name in ("ours", "reference"))
    difference, flips = float(np.abs(values - expected).max()), int((values.argmax(1) != expected.argmax(1)).sum())
    seconds, reference_s = (sum(each.seconds[k] for each in made) for k in (0, 1))
    cpu = sum(each.cpu_seconds[1] for each in made) / sum(each.cpu_seconds[0] for each in made)
    return {
        "work": f"{len(values)} {source} questions ({', '.join(subjects)}) x 4 letters, 5 shots; random Llama, "
        f"{LAYERS} layers of {HIDDEN}, {vocabulary:,} tokens, CPU fp32",
        "ours_s": round(seconds, 3),
        "reference": f"lm_eval HFLM, batch {best} (best of {', '.join(map(str, BATCHES))})",
        "reference_s": round(reference_s, 3),
        "equal": difference < 1e-4 and flips == 0,
        "note": f"largest difference {difference:.1e}, {flips} flips; {_explained(made, reference_s / seconds)}; "
        f"CPU time {cpu:.2f} times less; ours timed before and after the reference and averaged; loading excluded",
    }


def _measured(ours: Any, reference: Any, asked: list[Request], best: int) -> Measured:
    """Ours before and after the reference, so that a neighbour on the machine slows both down."""
    before, before_cpu, (values, counts) = _timed(ours, asked)
    theirs, theirs_cpu, expected = _timed(reference, asked, best)
    after, after_cpu, _ = _timed(ours, asked)
    wall, cpu = ((before + after) / 2, theirs), ((before_cpu + after_cpu) / 2, theirs_cpu)
    return Measured(values, expected, counts, wall, cpu)


def _explained(made: list[Measured], ratio: float) -> str:
    """The counts behind the ratio, and how much of what they allow was reached."""
    total = {name: sum(each.counts[name] for each in made) for name in made[0].counts}
    items, whole, computed = sum(map(len, [m.ours for m in made])), total["input_tokens"], total["computed_tokens"]
    projected, padding = total["projected_positions"], total["padding_tokens"]
    layer = 2 * HIDDEN * HIDDEN * (2 + 2 * KEY_HEADS / HEADS) + 6 * HIDDEN * INTERMEDIATE
    head = 2 * HIDDEN * VOCABULARY
    tokens = whole / computed
    work = (LAYERS * layer + head) * whole / (LAYERS * layer * computed + head * projected)
    cache = max(each.counts["cache_bytes"] for each in made) / 1e6
    return (
        f"tokens per item {whole / items:.0f} without and {computed / items:.0f} with sharing, {tokens:.2f} times "
        f"fewer: {ratio / tokens:.0%} of that was reached; multiplications with the vocabulary's {work:.2f} times "
        f"fewer: {ratio / work:.0%} of that; padding {padding / (computed + padding):.1%}; positions projected per "
        f"item {projected / items:.2f}, reference {whole / items:.0f}; keys and values held {cache:.1f} MB"
    )


def _subjects() -> tuple[Subjects, str]:
    if (DATA / "mmlu").is_dir():
        shots, test = _read("dev"), _read("test")
        return {name: (shots[name], test[name]) for name in SUBJECTS[:NUM_SUBJECTS]}, "MMLU"
    draw = random.Random(0)
    made = [[_made_up(draw) for _ in range(105)] for _ in range(NUM_SUBJECTS)]
    return {f"subject_{i}": (part[:5], part[5:]) for i, part in enumerate(made)}, "made-up"


def _read(split: str) -> dict[str, list[Question]]:
    found: dict[str, list[Question]] = {}
    with gzip.open(DATA / "mmlu" / f"mmlu_{split}.jsonl.gz", "rt", encoding="utf-8") as stream:
        for row in map(json.loads, stream):
            question = Question(row["question"].strip(), tuple(row[letter] for letter in "ABCD"), row["answer"])
            found.setdefault(row["subject"], []).append(question)
    return found


def _made_up(draw: random.Random) -> Question:
    def words(count: int) -> str:
        return " ".join("".join(draw.choices("aeilnorst", k=draw.randint(2, 9))) for _ in range(count))

    options = tuple(words(draw.randint(1, 8)) for _ in "ABCD")
    return Question(f"{words(draw.randint(8, 40))}?", options, draw.choice("ABCD"))


def _requests(subject: str, shots: list[Question], test: list[Question]) -> list[Request]:
    def block(question: Question) -> str:
        options = "".join(f"\n{letter}. {o}" for letter, o in zip("ABCD", question.options, strict=True))
        return f"{question.text}{options}\nAnswer:"

    name = subject.replace("_", " ")
    head = f"The following are multiple choice questions (with answers) about {name}.\n\n"
    head += "".join(f"{block(shot)} {shot.answer}\n\n" for shot in shots)
    letters = (" A", " B", " C", " D")
    return [
        Request(id=f"{subject}/{i}", kind="choice", prompt=head + block(question), choices=letters)
        for i, question in enumerate(test)
    ]


def _checkpoint(folder: Path, prompts: list[str]) -> int:
    """Write a random Llama with a tokenizer trained on what there is of text; returns its number of tokens."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator([*prompts, *_texts()], trainer)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=HIDDEN,
        intermediate_size=INTERMEDIATE,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KEY_HEADS,
        max_position_embeddings=4096,
        initializer_range=0.05,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|end|>").save_pretrained(folder)
    return int(made.get_vocab_size())


def _texts() -> Iterator[str]:
    for file in sorted((DATA / "wikitext2").glob("*.txt.gz")):
        with gzip.open(file, "rt", encoding="utf-8") as stream:
            yield from stream
    if (DATA / "mmlu").is_dir():
        yield from (" ".join((q.text, *q.options)) for part in _read("test").values() for q in part)


def _ours(folder: Path) -> Callable[[list[Request]], Any]:
    from components.generate.hf.engine import HfBackend

    backend = HfBackend(folder)

    def answer(requests: list[Request]) -> tuple[Any, dict[str, float]]:
        answers = backend.answer(requests, "m")
        return np.array([row.logprobs for row in answers.choice_scores]), dict(answers.metrics)

    return answer


def _reference(folder: Path) -> Callable[[list[Request], int], Any]:
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    model = HFLM(pretrained=str(folder), device="cpu", dtype="float32", batch_size=1)

    def answer(requests: list[Request], batch_size: int) -> Any:
        model.batch_size_per_gpu = batch_size
        pairs = [(r.prompt, choice) for r in requests for choice in r.choices]
        instances = [Instance("loglikelihood", {}, pair, i) for i, pair in enumerate(pairs)]
        values = [value for value, _ in model.loglikelihood(instances, disable_tqdm=True)]
        return np.array(values).reshape(len(requests), 4)

    return answer


def _timed(work: Callable[..., Any], *arguments: Any) -> tuple[float, float, Any]:
    """Seconds of the wall clock and of all threads together, and the result."""
    began, began_cpu = time.perf_counter(), time.process_time()
    found = work(*arguments)
    return time.perf_counter() - began, time.process_time() - began_cpu, found
