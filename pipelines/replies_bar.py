"""How far a server's replies are, on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from components.contracts.chat_api.progress import Progress, listening


@contextmanager
def replies_bar(of: str = "replies") -> Iterator[None]:
    """A bar on stderr when that is a terminal, nothing otherwise.

    Args:
        of: What is counted, in the plural.
    """
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn(of + ", {task.fields[cost]}"), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True)) as bar:
        shown = bar.add_task("", total=None, cost="nothing spent")

        def show(now: Progress) -> None:
            cost = f"{now.tokens:,} tokens" + (f", {now.usd:.2f} USD" if now.usd else "")
            bar.update(shown, completed=now.done, total=now.total, cost=cost)

        with listening(show):
            yield
