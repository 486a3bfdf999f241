"""Loss on dialogues that training never sees. It alone decides which weights are kept: nothing here knows a judge."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file

from components.contracts.dialogue_rows import Dialogue
from components.contracts.errors import TouchstoneError
from components.train.chunking import Blocks
from components.train.documents import rows_of
from components.train.engines.group import current
from components.train.engines.shards import gathered
from components.train.losses import LearnedLoss
from components.train.state import changing
from components.train.tensors import write as write_tensors

CURVE, LOWEST = "heldout.json", "heldout_lowest.safetensors"


class Split(NamedTuple):
    """Dialogues to learn from and dialogues kept out."""

    learned: list[Dialogue]
    held_out: list[Dialogue]


def split(dialogues: Iterable[Dialogue], share: float) -> Split:
    """Keep a share out by a hash of the id: the same dialogues in every arm, amount of data, seed and order.

    Raises:
        TouchstoneError: a share above 0 keeps out none of them, or all.
    """
    parts = Split([], [])
    for dialogue in dialogues:
        drawn = int.from_bytes(hashlib.sha256(b"held out\0" + dialogue.id.encode()).digest()[:8], "big") / 2**64
        parts[drawn < share].append(dialogue)
    if share and not (parts.learned and parts.held_out):
        which = "every one" if parts.held_out else "none"
        raise TouchstoneError(
            f"heldout_share {share} keeps out {which} of {len(parts.learned) + len(parts.held_out)} dialogues",
            expected="some to learn from and some to measure on",
            remedy="give more dialogues or another heldout_share",
        )
    return parts


class HeldOut:
    """Measures the held-out loss at a few steps of a training, and can keep the weights where it was lowest."""

    def __init__(self, blocks: Blocks, *, rows_at_once: int, points: int, keep_lowest: bool) -> None:
        """Make ready.

        Args:
            blocks: The dialogues kept out.
            rows_at_once: Blocks that go through the model together.
            points: Measurements on the way, evenly spread, the last one at the end; one more is made before training.
            keep_lowest: Copy the weights wherever the loss is lower than before.
        """
        self._blocks, self._rows, self._points, self._keeps = blocks, rows_at_once, points, keep_lowest
        self.curve: list[tuple[int, float]] = []
        """(step, mean cross-entropy in nats per learned token)."""
        self._lowest: dict[str, Any] = {}

    @property
    def lowest(self) -> tuple[int, float]:
        """Step and loss where it was lowest, the first where several are equal; the base itself is not chosen."""
        return min((point for point in self.curve if point[0]), key=lambda point: point[1])

    def at(self, step: int) -> float | None:
        """The loss measured after `step` as the last one; None where it was not."""
        return self.curve[-1][1] if self.curve and self.curve[-1][0] == step else None

    def after(self, step: int, num_steps: int, loss: LearnedLoss) -> None:
        """Measure, if `step` of `num_steps` is one of the points; 0 = before training. All processes call it."""
        if step not in {round(num_steps * point / self._points) for point in range(self._points + 1)}:
            return
        # The chief's word: several accelerators may differ in the last bit, and must agree on which is the lowest.
        self.curve.append((step, current().hear(self.measure(loss))))
        if self._keeps and step and self.lowest[0] == step:
            self._lowest = _copied(loss.model)

    @torch.no_grad()
    def measure(self, loss: LearnedLoss) -> float:
        """Mean cross-entropy of a model, in nats per learned token, without dropout; draws no random numbers."""
        model = loss.model
        was_training = model.training
        model.eval()
        total, count = 0.0, 0
        for start in range(0, len(self._blocks.tokens), self._rows):
            part = Blocks(*(values[start : start + self._rows].to(model.device) for values in self._blocks))
            rows = rows_of(part, flat=False)
            if len(rows.targets):
                logits = loss.logits(rows)
                total += float(torch.nn.functional.cross_entropy(logits, rows.targets, reduction="sum"))
                count += len(rows.targets)
        model.train(was_training)
        return total / max(1, count)

    def put_back(self, model: Any) -> int:
        """Give the model the weights of the lowest loss, where they are kept; the step they are from."""
        if self._lowest:
            model.load_state_dict(self._lowest, strict=False)
            return self.lowest[0]
        return self.curve[-1][0]

    def beside(self, write: Callable[[Path], None]) -> Callable[[Path], None]:
        """`write`, and what goes into a training's state from here; both as they are now."""
        curve, lowest = list(self.curve), dict(self._lowest)

        def both(folder: Path) -> None:
            write(folder)
            (folder / CURVE).write_text(json.dumps(curve), encoding="utf-8")
            if lowest:
                write_tensors(lowest, folder / LOWEST)

        return both

    def restore(self, folder: Path | None) -> None:
        """Put back what `beside` wrote; None in all processes but the chief, who tells the others."""
        kept = json.loads((folder / CURVE).read_text()) if folder is not None else None
        self.curve = [(int(step), float(loss)) for step, loss in current().hear(kept)]
        self._lowest = load_file(folder / LOWEST) if folder is not None and (folder / LOWEST).exists() else {}


def _copied(model: Any) -> dict[str, Any]:
    """What training changes, on the CPU, tied weights once; of several processes, in the chief."""
    return {name: gathered(value) for name, value in changing(model).items()}
