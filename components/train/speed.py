"""How fast a training goes, what of the device it uses, and what it waits for."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch

from components.contracts import devices
from components.train.chunking import Blocks
from components.train.precision import described

CHOSEN = ("num_experts_per_tok", "num_experts_per_token", "moe_topk", "top_k_experts")
"""What configurations call the number of experts that a token is sent to."""


class Work(NamedTuple):
    """What the forward passes so far had to do."""

    computed: int = 0
    """Tokens that went through the layers."""
    learned: int = 0
    """Positions that went through the vocabulary."""
    attended: int = 0
    """Pairs of a token and one that it reads, in its own document and not after it."""

    def plus(self, other: Work) -> Work:
        """Both."""
        return Work(*(mine + more for mine, more in zip(self, other, strict=True)))


class Cost(NamedTuple):
    """Floating-point operations of a forward and a backward pass."""

    token: float
    """6 x parameters of the layers that a token meets, 4 x those that are frozen."""
    learned: float
    """The same of the vocabulary projection."""
    attended: float
    """12 x width of all heads x layers: two products a pair, each a multiplication and an addition, three times."""

    def of(self, work: Work) -> float:
        """6 N for a token (Kaplan et al. 2020, arXiv 2001.08361, section 2.1; backward is twice forward) and attention.

        Only what is needed counts: the vocabulary where a token is learned, attention within a document and causal,
        nothing that is computed again. With every token learned and one document to a block of T tokens that is
        6 N + 6 x layers x width x T a token.
        """
        return self.token * work.computed + self.learned * work.learned + self.attended * work.attended


def idle_experts(model: Any) -> int:
    """Parameters of experts that a token does not meet: of E that lie in one tensor it is sent to k."""
    config = model.config.get_text_config()
    chosen = next((int(k) for name in CHOSEN if (k := getattr(config, name, None))), None)
    idle = 0
    for module in model.modules():
        num = getattr(module, "num_experts", None)
        own = [p.numel() for p in module.parameters(recurse=False) if p.dim() == 3 and p.shape[0] == num]
        if own and chosen is not None:
            idle += sum(own) * (int(num) - chosen) // int(num)  # type: ignore[arg-type]
    return idle


def cost(model: Any) -> Cost:
    """Of one unit of each kind of work. A frozen weight has no gradient of its own: one product of three falls away."""
    config = model.config.get_text_config()
    head = model.get_output_embeddings()
    tables = {id(p): p.numel() for p in model.get_input_embeddings().parameters()}
    projected = head.weight.numel() if head is not None else 0
    tables |= {id(head.weight): projected} if head is not None else {}
    body = sum((6 if p.requires_grad else 4) * p.numel() for p in model.parameters() if id(p) not in tables)
    body -= (6 if next(model.parameters()).requires_grad else 4) * idle_experts(model)
    heads = int(config.num_attention_heads)
    width = heads * int(getattr(config, "head_dim", None) or config.hidden_size // heads)
    factor = 6.0 if head is not None and head.weight.requires_grad else 4.0
    return Cost(float(body), factor * projected, 12.0 * width * int(config.num_hidden_layers))


def peak(device: Any, precision: str) -> float | None:
    """Operations a second that `device` reaches at most; None where that is not known, as of CPUs."""
    return peak_of(described(torch.device(device).type), precision)


def peak_of(name: str, precision: str) -> float | None:
    """As `peak`, of a device called `name`."""
    device = devices.reported(name)
    tflops = None if device is None else device.bf16_tflops if precision == "bfloat16" else device.fp32_tflops
    return tflops * 1e12 if tflops is not None else None


class Speed:
    """Measured over the steps made by this process."""

    def __init__(self, model: Any, precision: str) -> None:
        """Begin. `model` is what is trained; `precision` is the recipe's."""
        self._device = model.device
        self._peak = peak(model.device, precision)
        self._cost = cost(model) if self._peak is not None else None
        self._began = time.monotonic()
        self._tokens = self._learned = 0
        self._work = Work()
        self._stalled = 0.0
        if model.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()

    def step(self, batch: Blocks, work: Work) -> None:
        """Count a step: its blocks, of all processes, and the work of this process in all steps so far."""
        self._tokens += batch.tokens.numel()
        self._learned += int(batch.learned[:, 1:].sum())
        self._work = work

    @contextmanager
    def stalled(self) -> Iterator[None]:
        """The training stands still within, for its state to be copied."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._stalled += time.monotonic() - began

    def shown(self) -> dict[str, str]:
        """For the progress bar."""
        found = self.metrics()
        shown = {"tokens/s": f"{found['tokens_per_second']:,.0f}"}
        if "mfu" in found:
            shown["MFU"] = f"{found['mfu']:.0%}"
        return {**shown, "memory": f"{found['peak_memory_bytes'] / 2**30:.1f} GiB"}

    def metrics(self) -> dict[str, float]:
        """Tokens of blocks and learned tokens a second, peak memory; the share of the peak where that is known."""
        seconds = max(time.monotonic() - self._began, 1e-9)
        found = {
            "tokens_per_second": self._tokens / seconds,
            "learned_tokens_per_second": self._learned / seconds,
            "computed_tokens": float(self._work.computed),
            "peak_memory_bytes": float(peak_memory(self._device)),
            "state_stall_share": self._stalled / seconds,
        }
        if self._peak is not None and self._cost is not None:
            found["mfu"] = self._cost.of(self._work) / seconds / self._peak
        return found


def peak_memory(device: Any) -> int:
    """Bytes: of tensors on a GPU since `Speed` began, of the whole process since its own begin on a CPU."""
    if torch.device(device).type == "cuda":
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
