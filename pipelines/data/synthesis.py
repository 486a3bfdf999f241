"""Behind `touchstone data synthesize`: a task by name or file, progress on a terminal, and the summary."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.contracts import bind
from components.contracts.chat_api.progress import Progress, listening
from components.contracts.errors import UsageError
from components.contracts.yaml_documents import read_mapping
from components.synthesize import step
from components.synthesize.task import load_task, shipped

PORTS = ("dialogues", "removed", "replies", "raw_replies")


def read_task(given: str) -> str | dict[str, Any]:
    """A shipped task's name as it is, or the fields in a file.

    Raises:
        UsageError: neither, or the fields make no task.
    """
    path = Path(given)
    if path.suffix not in {".yaml", ".yml"} and not path.is_file():
        load_task(given)
        return given
    if not path.is_file():
        raise UsageError(f"there is no {path}", expected=f"{', '.join(shipped())}, or the path of a YAML file")
    fields = read_mapping(path)
    load_task(fields, where=str(path))
    return fields


def synthesize(out: Path, params: Mapping[str, Any]) -> bind.Outcome:
    """Run the step into folders below `out`, with a bar on stderr when that is a terminal.

    Raises:
        TouchstoneError: see the step.
    """
    with _bar():
        return bind.call(step.synthesize, params=params, **{port: out / port for port in PORTS})


@contextmanager
def _bar() -> Iterator[None]:
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("examples, {task.fields[cost]}"), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True)) as bar:
        shown = bar.add_task("", total=None, cost="nothing spent")

        def show(now: Progress) -> None:
            cost = f"{now.tokens:,} tokens" + (f", {now.usd:.2f} USD" if now.usd else "")
            bar.update(shown, completed=now.done, total=now.total, cost=cost)

        with listening(show):
            yield


def summary(out: Path, outcome: bind.Outcome) -> str:
    """The result in a few lines."""
    counted = outcome.metrics
    removed = {name.removeprefix("removed_"): n for name, n in counted.items() if name.startswith("removed_")}
    gone = ", ".join(f"{n:.0f} {name}" for name, n in removed.items()) or "nothing"
    tokens = counted["prompt_tokens"] + counted["completion_tokens"]
    cost = f"{tokens:,.0f} tokens" + (f", {counted['cost_usd']:.4f} USD" if counted["cost_usd"] else "")
    lines = [
        f"{counted['examples']:.0f} examples from {counted['replies']:.0f} replies ({cost})",
        f"set aside: {gone}",
        f"written: {', '.join(str(out / port) for port in PORTS)}",
    ]
    if outcome.reused:
        lines.append("found finished; nothing was asked")
    return "\n".join(lines)
