"""`python -m tests.bench.training_comparison`: fine-tuning beside TRL's SFTTrainer on one GPU, in under ten minutes.

For each shape and each kind of blocks one JSON line, then a table in Markdown. Both sides train the same random weights
on the same packed tokens in the same order, in processes of their own, each with the fastest of a few settings, tried
for a few steps. `--device cpu --shape tiny` runs the same code anywhere in two minutes; its numbers mean nothing.

Kinds of blocks: `apart`, documents that do not read each other, as we train; `joined`, a block as one text, as packing
without borders makes it. TRL trains the former padding-free and the latter in plain batches, with fused AdamW, bf16
arithmetic over fp32 weights, with and without recomputation. What does not fit the device with all its layers is
trained with fewer, which the shape's name says.

MFU: the operations that the counts of ours need (`components.train.speed`), for both sides, over time and peak.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from components.train.chunking import Blocks
from components.train.params import Params
from tests.bench.random_shapes import SHAPES, word_tokenizer

RATE, CLOSE = 1e-4, 0.05
"""Losses in nats that part by less are those of the same training: bf16 rounds in another order."""
TRIAL_STEPS, SKIPPED = 3, 1
"""Steps of a trial; of every run the first, which warms up, is not timed."""
BYTES_A_PARAMETER, SHARE_OF_MEMORY = 16, 0.8
"""fp32 weights, gradients and two moments; what they may take of a device, so that activations have the rest."""


class Size(NamedTuple):
    """How much is trained."""

    block_tokens: int
    batch: int
    steps: int
    rows: tuple[int, ...]
    """Blocks at once that are tried."""


GPU, TINY = Size(2048, 8, 9, (1, 4)), Size(128, 2, 4, (2,))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--shape", action="append", choices=list(SHAPES), help="default: qwen-1.5b and llama-7b")
    parser.add_argument("--minutes", type=float, default=9.0, help="no process outlives it")
    parser.add_argument("--side", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.side:
        print(json.dumps(SIDES[given.side[0]](json.loads(Path(given.side[1]).read_text()))))
        return
    ends, found = time.monotonic() + 60 * given.minutes, []
    for kind, name in itertools.product(("apart", "joined"), given.shape or ["qwen-1.5b", "llama-7b"]):
        try:
            made = compared(name, kind, given.device, ends)
        except (subprocess.TimeoutExpired, TimeoutError):
            sys.stderr.write(f"{name}, {kind}: left out, the time is up\n")
            continue
        print(json.dumps(made), flush=True)
        found.append(made)
    print(table(found), flush=True)


def compared(name: str, kind: str, device: str, ends: float) -> dict[str, Any]:
    """Both sides on the same blocks."""
    size = TINY if name == "tiny" else GPU
    with tempfile.TemporaryDirectory() as folder:
        request = {"shape": name, "device": device, "layers": fitting(name, device), "kind": kind, "size": size}
        request["blocks"] = str(Path(folder) / "blocks.pt")
        torch.save(tuple(packed(SHAPES[name].config().vocab_size, size, kind)), request["blocks"])
        file = Path(folder) / "request.json"
        file.write_text(json.dumps(request))
        mine, theirs = side("ours", file, ends), side("trl", file, ends)
    tokens = size.block_tokens * size.batch
    apart = max(abs(a - b) for a, b in zip(mine["losses"], theirs["losses"], strict=True))
    return {
        "shape": f"{name}, {request['layers']} layers",
        "kind": kind,
        "device": mine["device"],
        "tokens_per_second": [round(tokens / s["seconds"]) for s in (mine, theirs)],
        "ratio": round(theirs["seconds"] / mine["seconds"], 2),
        "mfu": [
            round(mine["flops"] / s["seconds"] / mine["peak"], 4) if mine["peak"] else None for s in (mine, theirs)
        ],
        "memory_gib": [round(s["memory"] / 2**30, 2) for s in (mine, theirs)],
        "settings": [mine["setting"], theirs["setting"]],
        "tried_tokens_per_second": [s["tried"] for s in (mine, theirs)],
        "losses": [[round(loss, 4) for loss in s["losses"]] for s in (mine, theirs)],
        "largest_difference": apart,
        "equal": apart < CLOSE,
        "state": mine["state"],
    }


def fitting(name: str, device: str) -> int:
    """Layers whose training states fit the device: all of them, where they can."""
    from transformers import AutoModelForCausalLM

    config = SHAPES[name].config()
    if device == "cpu":
        return int(config.num_hidden_layers)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    layer = sum(p.numel() for p in model.model.layers[0].parameters())
    outside = sum(p.numel() for p in model.parameters()) - layer * config.num_hidden_layers
    room = SHARE_OF_MEMORY * torch.cuda.get_device_properties(0).total_memory / BYTES_A_PARAMETER - outside
    return min(int(config.num_hidden_layers), int(room // layer))


def packed(vocabulary: int, size: Size, kind: str) -> Blocks:
    """Whole blocks of random dialogues, in the study's proportions."""
    from tests.bench import bench_train

    wanted = bench_train.packed_blocks(vocabulary, size.block_tokens, size.batch * size.steps)
    if kind == "apart":
        return wanted
    positions = torch.arange(size.block_tokens).expand_as(wanted.tokens)
    return Blocks(wanted.tokens, wanted.learned & (positions > 0), positions.contiguous())


def side(name: str, file: Path, ends: float) -> dict[str, Any]:
    """One side in a process of its own."""
    left = ends - time.monotonic()
    if left <= 0:
        raise TimeoutError
    command = [sys.executable, "-m", "tests.bench.training_comparison", "--side", name, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=left)
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr[-3000:]}")
    made: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return made


class Case(NamedTuple):
    """What a side is asked for, as Python's own."""

    request: Mapping[str, Any]
    size: Size
    blocks: Blocks

    @property
    def on_gpu(self) -> bool:
        """Whether there is one."""
        return bool(self.request["device"] != "cpu")

    def model(self) -> Any:
        """The same random weights every time."""
        from transformers import AutoModelForCausalLM

        config = SHAPES[self.request["shape"]].config()
        config.num_hidden_layers = self.request["layers"]
        torch.manual_seed(0)
        with torch.device(self.request["device"]):
            return AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="sdpa")


class Run(NamedTuple):
    """What one training gave."""

    seconds: float
    """A step."""
    losses: list[float]
    more: dict[str, Any]


def best(request: Mapping[str, Any], settings: Sequence[dict[str, Any]], train: Callable[..., Run]) -> dict[str, Any]:
    """Try all settings that the memory allows, then train with the fastest."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    size = Size(*request["size"])
    case = Case(request, size, Blocks(*torch.load(request["blocks"])))
    tokens, tried = size.block_tokens * size.batch, {}
    for setting in settings:
        try:
            tried[json.dumps(setting)] = train(case, setting, TRIAL_STEPS).seconds
        except torch.OutOfMemoryError:
            continue
        finally:
            free(case)
    chosen = min(tried, key=lambda name: tried[name])
    run = train(case, json.loads(chosen), size.steps)
    return {
        "setting": json.loads(chosen),
        "tried": {name: round(tokens / seconds) for name, seconds in tried.items()},
        "seconds": run.seconds,
        "losses": run.losses,
        **run.more,
    }


def free(case: Case) -> None:
    """Give back what a trial held."""
    import gc

    gc.collect()
    if case.on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


class Clock:
    """Ends of steps, when the device has really done them."""

    def __init__(self, on_gpu: bool) -> None:
        self._on_gpu, self.ends = on_gpu, list[float]()

    def tick(self) -> None:
        """A step has ended."""
        if self._on_gpu:
            torch.cuda.synchronize()
        self.ends.append(time.perf_counter())

    @property
    def seconds(self) -> float:
        """Of a step, on average."""
        return (self.ends[-1] - self.ends[SKIPPED]) / (len(self.ends) - 1 - SKIPPED)


def ours(request: Mapping[str, Any]) -> dict[str, Any]:
    """This project's training."""
    rows = Size(*request["size"]).rows
    return best(request, [{"rows": n, "recompute": again} for n in rows for again in (False, True)], train_ours)


def train_ours(case: Case, setting: Mapping[str, Any], steps: int) -> Run:
    """So many steps of ours."""
    from components.train.loop import Training
    from components.train.recipe import Recipe
    from components.train.speed import cost, peak, peak_memory
    from components.train.state import take

    clock = Clock(case.on_gpu)

    class Timed(Training):
        def _reached(self, step: int) -> None:
            clock.tick()

    precision = "bfloat16" if case.on_gpu else "float32"
    recipe = Recipe.model_validate(
        {
            "learning_rate": RATE, "batch_size": case.size.batch, "rows_at_once": setting["rows"], "warmup_steps": 0,
            "recompute": setting["recompute"], "precision": precision, "block_tokens": case.size.block_tokens,
            "data_order": "given", "isolated": case.request["kind"] == "apart",
        }
    )  # fmt: skip
    part = Blocks(*(values[: case.size.batch * steps] for values in case.blocks))
    training = Timed(case.model(), part, recipe, seed=0)
    training.run()
    device = case.request["device"]
    memory = peak_memory(device)
    began = time.perf_counter()
    taken = take(training.model, training.optimizer, training.steps)
    stall = time.perf_counter() - began
    interval = float(Params().state_seconds)
    more = {
        "memory": memory,
        "flops": cost(training.model).of(training.loss.work) / steps,
        "peak": peak(device, precision),
        "device": torch.cuda.get_device_name() if case.on_gpu else "cpu",
        "state": {
            "bytes": taken.num_bytes,
            "stall_seconds": round(stall, 4),
            "share_of_time": round(stall / interval, 5),
            "every_seconds": interval,
        },
    }
    return Run(clock.seconds, training.losses, more)


def trl(request: Mapping[str, Any]) -> dict[str, Any]:
    """TRL's SFTTrainer."""
    rows = Size(*request["size"]).rows
    # Without padding TRL keeps apart what a row holds, and would keep joined blocks apart as well.
    flat = request["kind"] == "apart"
    settings = [{"rows": n, "recompute": again, "padding_free": flat} for n in rows for again in (False, True)]
    return best(request, settings, train_trl)


def train_trl(case: Case, setting: Mapping[str, Any], steps: int) -> Run:
    """So many steps of TRL's."""
    import trl as reference
    from datasets import Dataset
    from transformers import TrainerCallback

    from components.train.speed import peak_memory

    clock, losses = Clock(case.on_gpu), [0.0]

    class Timed(TrainerCallback):  # type: ignore[misc]
        def on_train_begin(self, *_: object, **__: object) -> None:
            clock.tick()

        def on_step_end(self, *_: object, **__: object) -> None:
            clock.tick()
            losses.append(0.0)

    class Recorded(reference.SFTTrainer):  # type: ignore[misc, name-defined]
        def training_step(self, *given: Any, **more: Any) -> Any:
            loss = super().training_step(*given, **more)
            losses[-1] += float(loss)
            return loss

    with tempfile.TemporaryDirectory() as folder:
        config = reference.SFTConfig(
            folder, use_cpu=not case.on_gpu, bf16=case.on_gpu, gradient_checkpointing=setting["recompute"],
            gradient_checkpointing_kwargs={"use_reentrant": False}, max_steps=steps, learning_rate=RATE,
            per_device_train_batch_size=setting["rows"], gradient_accumulation_steps=case.size.batch // setting["rows"],
            adam_beta1=0.9, adam_beta2=0.98, lr_scheduler_type="constant", max_grad_norm=1.0, report_to=[],
            save_strategy="no", train_sampling_strategy="sequential", padding_free=setting["padding_free"],
            optim="adamw_torch_fused", max_length=None, packing=False, logging_strategy="no", disable_tqdm=True,
            dataset_kwargs={"skip_prepare_dataset": True},
        )  # fmt: skip
        trainer = Recorded(
            model=case.model(), args=config, train_dataset=Dataset.from_list(examples(case, steps)),
            callbacks=[Timed()], processing_class=word_tokenizer(1000),
        )  # fmt: skip
        trainer.train()
    return Run(clock.seconds, losses[:-1], {"memory": peak_memory(case.request["device"])})


def examples(case: Case, steps: int) -> list[dict[str, Any]]:
    """A block each, with the lengths of its documents."""
    tokens, learned, positions = (part[: case.size.batch * steps] for part in case.blocks)
    labels = tokens.masked_fill(~learned, -100)
    made = []
    for row in range(len(tokens)):
        begins = [*(positions[row] == 0).nonzero().flatten().tolist(), case.size.block_tokens]
        lengths = [end - begin for begin, end in itertools.pairwise(begins)]
        made.append({"input_ids": tokens[row].tolist(), "labels": labels[row].tolist(), "seq_lengths": lengths})
    return made


SIDES = {"ours": ours, "trl": trl}


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """In Markdown."""
    head = ("shape", "blocks", "tokens/s: ours, TRL", "ratio", "MFU", "peak GiB", "losses part by", "a state")
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *map(line, found)))


def line(one: Mapping[str, Any]) -> tuple[str, ...]:
    """One comparison's row of the table."""
    state = one["state"]
    return (
        one["shape"],
        one["kind"],
        ", ".join(f"{speed:,}" for speed in one["tokens_per_second"]),
        f"{one['ratio']:.2f}",
        ", ".join("-" if share is None else f"{share:.1%}" for share in one["mfu"]),
        ", ".join(f"{size:.1f}" for size in one["memory_gib"]),
        f"{one['largest_difference']:.1e}",
        f"{state['bytes'] / 2**30:.2f} GiB, {state['stall_seconds']:.2f} s of {state['every_seconds']:.0f}",
    )


if __name__ == "__main__":
    main()
