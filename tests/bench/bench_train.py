"""Fine-tuning: ours beside TRL's SFTTrainer on the same packed tokens in the same order, each in a process of its own.

TRL gets the blocks as we cut them, labels on the assistant's tokens, without padding, and whichever of these is the
fastest: a block at a time, two blocks in one row, or, as an unpacked training would, a document at a time, which needs
no mask. The last one is what a user gets who leaves packing off; that its steps are ours is arranged here.
"""

import importlib.util
import itertools
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from components.contracts.errors import TouchstoneError

SHAPE = (384, 6, 6, 6, 1024, 16384)
"""Hidden, layers, heads, key heads, intermediate, vocabulary."""
BLOCK, BATCH, STEPS, RATE = 2048, 2, 5, 1e-3
SOURCES = ((0.57, 1500.0, 0.7, 2600), (0.31, 250.0, 0.6, 1200), (0.12, 60.0, 0.7, 400))
"""Share, median tokens, spread and longest of ShareGPT, HC3 and Discord dialogues, in the study's proportions."""
ASSISTANT_SHARE = 0.8
SPLITS = ("block", "two blocks", "document")
CLOSE = 5e-3
"""Losses, in nats: sums in another order part slowly over the steps."""
MIB = 2**20
STATE_SECONDS = 300.0
"""Between two states, by default (`components.train.params`)."""


def run() -> dict[str, Any]:
    if importlib.util.find_spec("trl") is None:
        raise TouchstoneError("the reference is not installed", remedy="pip install --no-deps trl==1.16.0")
    with tempfile.TemporaryDirectory() as name:
        blocks = Path(name) / "blocks.pt"
        torch.save(packed(), blocks)
        trials = {split: side("reference", blocks, split, 2) for split in SPLITS}
        best = min(trials, key=lambda split: float(trials[split]["seconds"]))
        mine = side("ours", blocks)
        theirs = side("reference", blocks, best, STEPS)
    tokens = BLOCK * BATCH * (STEPS - 1)
    apart = max(abs(a - b) for a, b in zip(mine["losses"], theirs["losses"], strict=True))
    tried = ", ".join(f"{split} {BLOCK * BATCH / trials[split]['seconds']:,.0f}" for split in SPLITS)
    return {
        "work": f"{STEPS - 1} steps of {BATCH} blocks of {BLOCK} tokens, Llama {SHAPE}, tied, CPU fp32, AdamW",
        "ours_s": round(mine["seconds"], 3),
        "reference": f"TRL SFTTrainer, padding-free, no recomputation, {best} at a time (best of {', '.join(SPLITS)})",
        "reference_s": round(theirs["seconds"], 3),
        "equal": apart < CLOSE,
        "note": f"real tokens/s: ours {tokens / mine['seconds']:,.0f}, reference {tokens / theirs['seconds']:,.0f} "
        f"(tried on a step: {tried}); losses from {theirs['losses'][0]:.4f} to {theirs['losses'][-1]:.4f} part by "
        f"{apart:.1e} at most; CPU seconds {mine['cpu']:.1f} and {theirs['cpu']:.1f}; {counts(mine, theirs)}",
    }


def counts(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    """What explains the ratio."""
    real, learned = BLOCK * BATCH * STEPS, ours["learned"]
    return (
        f"of {real:,} real tokens ours computed {ours['computed']:,}, the reference {theirs['computed']:,}; of "
        f"{learned:,} positions whose logits are needed ours computed {learned:,}, the reference {theirs['logits']:,}; "
        f"peak memory {ours['peak'] / MIB:,.0f} and {theirs['peak'] / MIB:,.0f} MiB, of which for the training "
        f"{(ours['peak'] - ours['start']) / MIB:,.0f} and {(theirs['peak'] - theirs['start']) / MIB:,.0f}; to keep a "
        f"state of {ours['state']:,} bytes training stood still for {1000 * ours['stall']:.0f} ms, "
        f"{ours['stall'] / STATE_SECONDS:.2%} of the time where that is every {STATE_SECONDS:.0f} s"
    )


def packed() -> Any:
    """Whole blocks of random dialogues."""
    return tuple(packed_blocks(SHAPE[-1], BLOCK, BATCH * STEPS))


def packed_blocks(vocabulary: int, block_tokens: int, num: int) -> Any:
    """So many whole blocks of random dialogues in the study's proportions."""
    from components.train.chunking import Blocks, Encoded, pack

    draw, documents, total = random.Random(0), [], 0
    while total < block_tokens * (num + 1):
        _, median, spread, longest = draw.choices(SOURCES, [source[0] for source in SOURCES])[0]
        length = min(longest, int(median * draw.lognormvariate(0.0, spread)) + 8)
        tokens, learned = [], []
        while len(tokens) < length:
            asked, said = (int(share * min(length, 400)) + 1 for share in (1 - ASSISTANT_SHARE, ASSISTANT_SHARE))
            tokens += [min(vocabulary - 1, int(draw.paretovariate(0.7)) + 1) for _ in range(asked + said)]
            learned += [0] * asked + [1] * said
        documents.append(Encoded(tokens[:length], learned[:length]))
        total += length
    return Blocks(*(part[:num] for part in pack(documents, block_tokens, 0)))


def side(name: str, blocks: Path, *rest: object) -> dict[str, Any]:
    """One training in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.bench_train", name, str(blocks), *map(str, rest)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} {rest}: {done.stderr[-2000:]}")
    made: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return made


def model() -> Any:
    """The same weights in both processes."""
    from transformers import AutoModelForCausalLM

    from tests.bench.random_shapes import _llama, _sizes

    torch.manual_seed(0)
    config = _llama(**_sizes(*SHAPE), tie_word_embeddings=True)
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32)


def now() -> tuple[float, float]:
    """On the wall, and of this process's CPUs."""
    return time.perf_counter(), time.process_time()


def spent(begin: tuple[float, float], end: tuple[float, float]) -> dict[str, float]:
    """Seconds on the wall, and of this process's CPUs."""
    return {"seconds": end[0] - begin[0], "cpu": end[1] - begin[1]}


def peak() -> int:
    """Bytes of this process at most, so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def ours(file: str) -> dict[str, Any]:
    from components.train.chunking import Blocks
    from components.train.loop import Training
    from components.train.recipe import Recipe
    from components.train.state import take

    ends: list[tuple[float, float]] = []

    class Timed(Training):
        def _reached(self, step: int) -> None:
            ends.append(now())

    recipe = Recipe(
        learning_rate=RATE, batch_size=BATCH, rows_at_once=1, block_tokens=BLOCK, data_order="given", warmup_steps=0
    )
    training = Timed(model(), Blocks(*torch.load(file)), recipe, seed=0)
    start = peak()
    training.run()
    work, most = training.loss.work, peak()
    began = time.perf_counter()
    taken = take(training.model, training.optimizer, training.steps)
    return {
        **spent(ends[1], ends[-1]),
        "stall": time.perf_counter() - began,
        "state": taken.num_bytes,
        "losses": training.losses,
        "computed": work.computed,
        "learned": work.learned,
        "start": start,
        "peak": most,
    }


def reference(file: str, split: str, steps: str) -> dict[str, Any]:
    import trl
    from datasets import Dataset
    from transformers import TrainerCallback

    from tests.bench.random_shapes import word_tokenizer

    examples, per_step = rows(torch.load(file), split, int(steps))
    at_once = 2 if split == "two blocks" else 1
    ends: list[tuple[float, float]] = []
    losses: list[float] = []

    class Timed(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: object, **__: object) -> None:
            ends.append(now())
            losses.append(0.0)

    class Recorded(trl.SFTTrainer):  # type: ignore[misc, name-defined]
        def training_step(self, *given: Any, **more: Any) -> Any:
            loss = super().training_step(*given, **more)
            losses[-1] += float(loss)
            return loss

    losses.append(0.0)
    with tempfile.TemporaryDirectory() as folder:
        config = trl.SFTConfig(
            folder, use_cpu=True, bf16=False, gradient_checkpointing=False, max_steps=int(steps), learning_rate=RATE,
            per_device_train_batch_size=at_once, gradient_accumulation_steps=per_step // at_once, adam_beta1=0.9,
            adam_beta2=0.98, lr_scheduler_type="constant", max_grad_norm=1.0, report_to=[], save_strategy="no",
            train_sampling_strategy="sequential", padding_free=True, max_length=None, packing=False,
            logging_strategy="no", disable_tqdm=True, dataset_kwargs={"skip_prepare_dataset": True},
        )  # fmt: skip
        trainer = Recorded(
            model=model(), args=config, train_dataset=Dataset.from_list(examples), callbacks=[Timed()],
            processing_class=word_tokenizer(SHAPE[-1]),
        )  # fmt: skip
        start = peak()
        trainer.train()
    computed = sum(len(example["input_ids"]) for example in examples)
    return {
        **spent(ends[0], ends[-1]),
        "losses": losses[:-1],
        "computed": computed,
        "logits": computed,  # without Triton every position goes through the vocabulary
        "start": start,
        "peak": peak(),
    }


def rows(blocks: Sequence[Any], split: str, steps: int) -> tuple[list[dict[str, Any]], int]:
    """Examples for TRL, and how many of them make a step: blocks, or documents with empty ones to fill up the steps."""
    tokens, learned, positions = (part[: BATCH * steps] for part in blocks)
    labels = tokens.masked_fill(~learned, -100)
    made: list[list[dict[str, Any]]] = []
    for row in range(len(tokens)):
        begins = [*(positions[row] == 0).nonzero().flatten().tolist(), BLOCK]
        cut = list(itertools.pairwise(begins)) if split == "document" else [(0, BLOCK)]
        example = [
            {
                "input_ids": tokens[row, a:b].tolist(),
                "labels": labels[row, a:b].tolist(),
                "seq_lengths": [d - c for c, d in itertools.pairwise(begins) if a <= c < b],
            }
            for a, b in cut
        ]
        made.append(example)
    grouped = [[*itertools.chain(*made[at : at + BATCH])] for at in range(0, len(made), BATCH)]
    most = max(map(len, grouped))
    empty = {"input_ids": [1], "labels": [-100], "seq_lengths": [1]}
    return [example for group in grouped for example in group + [empty] * (most - len(group))], most


if __name__ == "__main__":
    sides = {"ours": ours, "reference": reference}
    print(json.dumps(sides[sys.argv[1]](*sys.argv[2:])))
