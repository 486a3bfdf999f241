"""One line on stderr that says what is being done and how long it may take; quiet when nobody watches."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from pipelines.local.runner import Event

DEFAULT_SECONDS = 0.5


class Estimator:
    """Predicts the rest of a run from measured typical durations, scaled by how this machine has done so far."""

    def __init__(self, num_tasks: int, typical_seconds: Mapping[str, float], counts: Mapping[str, int]) -> None:
        """Take `typical_seconds` per step as measured once, and how often each step occurs."""
        self._typical = typical_seconds
        self._left = dict(counts)
        self._expected_done = 0.0
        self._taken = 0.0
        self.num_tasks = num_tasks

    def typical(self, step: str) -> float:
        """Seconds the step took when it was measured."""
        return self._typical.get(step, DEFAULT_SECONDS)

    def finish(self, step: str, seconds: float, *, reused: bool) -> None:
        """Take note of a finished step; reused work says nothing about this machine's speed."""
        self._left[step] = max(0, self._left.get(step, 0) - 1)
        if not reused:
            self._expected_done += self.typical(step)
            self._taken += seconds

    @property
    def seconds_left(self) -> float:
        """Estimated seconds until everything not yet finished is."""
        ratio = self._taken / self._expected_done if self._expected_done >= 5.0 else 1.0
        return ratio * sum(self.typical(step) * count for step, count in self._left.items())


class _LeftColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        left = task.fields["left"] - (time.monotonic() - task.fields["since"])
        return Text(f"about {_readable(left)} left" if left > 1 else "nearly done", style="dim")


def _readable(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def new_bar(console: Console) -> Progress:
    """A bar for a run; nothing where nobody watches."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
        _LeftColumn(),
        console=console,
        disable=not console.is_terminal,
    )


@contextmanager
def progress(estimator: Estimator) -> Iterator[Watcher]:
    """Show a bar while the block runs; the watcher given takes the runner's events."""
    with new_bar(Console(stderr=True)) as bar:
        yield Watcher(bar, estimator)


class Watcher:
    """Turns the runner's events into progress."""

    def __init__(self, bar: Progress, estimator: Estimator) -> None:
        """Add one task to `bar`."""
        self._bar = bar
        self._estimator = estimator
        self._began = time.monotonic()
        self._line = bar.add_task(
            "waking up", total=estimator.num_tasks, left=estimator.seconds_left, since=self._began
        )

    def __call__(self, event: Event) -> None:
        """Take note of one event."""
        now = time.monotonic()
        step = event.label.split(" ")[0]
        if event.kind == "started":
            self._began = now
            self._bar.update(self._line, description=event.label)
        else:
            self._estimator.finish(step, now - self._began, reused=event.kind == "reused")
            self._bar.update(self._line, advance=1, left=self._estimator.seconds_left, since=now)
