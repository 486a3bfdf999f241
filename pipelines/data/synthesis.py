"""Behind `touchstone data synthesize`: a task by name or file, progress on a terminal, and the summary."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.contracts import bind
from components.contracts.errors import UsageError
from components.contracts.yaml_documents import read_mapping
from components.synthesize import step
from components.synthesize.task import load_task, shipped
from pipelines.replies_bar import replies_bar

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
    with replies_bar("examples"):
        return bind.call(step.synthesize, params=params, **{port: out / port for port in PORTS})


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
