"""Files of tensors, with the disk's failures told as the disk's."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file


@contextmanager
def disk_words(path: Path) -> Iterator[None]:
    """Tell a full disk as Python does: safetensors has an error of its own, which nobody else expects of a disk.

    Raises:
        OSError: the disk is full, or may not be written.
    """
    try:
        yield
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error


def write(tensors: Mapping[str, Any], path: Path) -> None:
    """Write tensors as safetensors.

    Raises:
        OSError: as `disk_words`.
    """
    with disk_words(path):
        save_file(dict(tensors), path)
