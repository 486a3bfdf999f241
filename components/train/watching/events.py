"""TensorBoard's event files, by tensorboardX: one folder a training, whichever number of times it is taken up again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.contracts.errors import TouchstoneError, UsageError

FLUSH_SECONDS = 10
"""TensorBoard shows what is on disk."""


class EventFiles:
    """Scalars by step, in a new file of the folder."""

    def __init__(self, folder: Path, first: int) -> None:
        """Begin a file.

        A training that was killed has told of steps which are now made again. The new file begins with a mark that
        TensorBoard honours: what older files of the folder say from step `first` on is not shown.

        Args:
            folder: Of this training alone.
            first: The step that is made next, counted from 1.

        Raises:
            UsageError: tensorboardX is not installed.
            TouchstoneError: nothing can be written there.
        """
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise UsageError(
                "event files for TensorBoard need tensorboardX, which is not installed",
                remedy="pip install 'touchstone-audit[train]', or leave the parameter tensorboard out",
            ) from error
        try:
            # Two files that begin within a second would have one name.
            self._writer: Any = SummaryWriter(
                str(folder), purge_step=first, flush_secs=FLUSH_SECONDS, filename_suffix=f".from-{first}"
            )
        except OSError as error:
            raise TouchstoneError(
                f"no event files can be written to {folder}: {error.strerror or error}",
                remedy="give another folder as the parameter tensorboard, or none",
            ) from error

    def tell(self, step: int, scalars: Mapping[str, float]) -> None:
        """Add a step's scalars; they are written in the background."""
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()
