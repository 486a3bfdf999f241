"""The one place that a training loop tells of its steps; what is not asked for is not told."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from tqdm import tqdm

from components.train.course import Step
from components.train.speed import Speed
from components.train.watching.events import EventFiles
from components.train.watching.gauges import pushed

LINE_SECONDS = 60.0
"""Where there is no terminal for a bar, the log gets a line so often."""
PREFIX = "touchstone_training_"


class Place(NamedTuple):
    """What a training is called, and where TensorBoard finds it."""

    name: str = ""
    """The imitator's."""
    doing: str = "training"
    """Stands before the bar."""
    events: Path | None = None
    """Folder of this training's event files; None = none are written."""
    step: str = ""
    """The pipeline's step, for its gauges; empty = none are pushed."""


class Watch:
    """Tells of one training, from the step it is taken up at to its end; silent in all processes but the chief."""

    def __init__(self, place: Place, *, done: int, num_steps: int, speed: Speed, chief: bool) -> None:
        """Make ready.

        Args:
            place: What it is called.
            done: Steps made before.
            num_steps: Of the whole training.
            speed: Counts the steps that are made now.
            chief: Whether this process is the one that tells.
        """
        self._place, self._done, self._num_steps, self._speed, self._chief = place, done, num_steps, speed, chief
        self._began = self._said = time.monotonic()
        self._first = done
        self._gauges: dict[str, float] = {}
        self._bar: Any = None
        self._events: EventFiles | None = None
        self._pushed: Any = None

    def __enter__(self) -> Watch:
        if self._chief:
            shown = None if sys.stderr.isatty() else True
            self._bar = tqdm(
                total=self._num_steps, initial=self._done, desc=self._place.doing, disable=shown, leave=False
            )
            if self._place.events is not None:
                self._events = EventFiles(self._place.events, self._done + 1)
            if self._place.step:
                self._pushed = pushed(self._place.step, self._place.name, lambda: dict(self._gauges))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for tool in (self._pushed, self._events, self._bar):
            if tool is not None:
                tool.close()

    def step(self, made: Step, held_out: float | None) -> None:
        """A step was made.

        Args:
            made: The step.
            held_out: The loss on dialogues kept out, where it was measured after it.
        """
        self._done += 1
        if not self._chief:
            return
        speed = self._speed.metrics()
        self._gauges = self._gauges | self._values(made, held_out, speed)
        if self._events is not None:
            self._events.tell(self._done, _scalars(made, held_out, speed))
        self._bar.update()
        self._bar.set_postfix(loss=f"{made.loss:.3f}", **self._speed.shown(), refresh=False)
        if self._bar.disable and time.monotonic() - self._said >= LINE_SECONDS:
            self._said = time.monotonic()
            sys.stderr.write(self._line(made) + "\n")

    def measured(self, held_out: float) -> None:
        """The held-out loss was measured before the first step."""
        if self._events is not None:
            self._events.tell(0, {"loss/heldout": held_out})

    @property
    def left_seconds(self) -> float:
        """Until the last step, at the speed since this process began."""
        made = self._done - self._first
        return (self._num_steps - self._done) * (time.monotonic() - self._began) / max(1, made)

    def _values(self, made: Step, held_out: float | None, speed: Mapping[str, float]) -> dict[str, float]:
        values = {
            "step": float(self._done),
            "steps": float(self._num_steps),
            "loss": made.loss,
            "heldout_loss": held_out,
            "grad_norm": made.norm,
            "learning_rate": made.rate,
            "tokens_per_second": speed["tokens_per_second"],
            "mfu": speed.get("mfu"),
            "peak_memory_bytes": speed["peak_memory_bytes"],
            "left_seconds": self.left_seconds,
        }
        return {PREFIX + name: value for name, value in values.items() if value is not None}

    def _line(self, made: Step) -> str:
        shown = ", ".join(f"{name} {value}" for name, value in self._speed.shown().items())
        left = tqdm.format_interval(self.left_seconds)
        step = f"step {self._done} of {self._num_steps}"
        return f"{self._place.doing}: {step}, loss {made.loss:.3f}, {shown}, {left} left"


def _scalars(made: Step, held_out: float | None, speed: Mapping[str, float]) -> dict[str, float]:
    """By TensorBoard's tags: those before the stroke share a panel."""
    values = {
        "loss/train": made.loss if made.learned else None,
        "loss/heldout": held_out,
        "optimizer/learning_rate": made.rate,
        "optimizer/grad_norm": made.norm,
        "speed/tokens_per_second": speed["tokens_per_second"],
        "speed/mfu": speed.get("mfu"),
        "speed/peak_memory_gib": speed["peak_memory_bytes"] / 2**30,
    }
    return {name: value for name, value in values.items() if value is not None}
