"""One artifact for each size of a sweep over imitation tokens."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from components.contracts import bind, environment, manifest
from components.contracts.dialogue_rows import Dialogue
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Checkpoint, Output
from pipelines.data.artifacts import folder_of

_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kKmMbB]?)")
_THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)? ?[kKmMbB]?")
_UNITS = {"": 1, "k": 1_000, "m": 1_000_000, "b": 1_000_000_000}
TOKENIZER_FILE = "tokenizer.json"


class Size(NamedTuple):
    """What a subset of a sweep holds."""

    label: str
    """As it was asked for; names the folder."""
    folder: Path
    tokens: int
    dialogues: int
    unit: str
    """tokens, or words where no tokenizer was given."""


def read_size(text: str) -> int:
    """`300k`, `1.5M`, `150M` or a plain number of tokens.

    Raises:
        UsageError: it is none, or not a whole number of at least 1.
    """
    plain = text.strip().replace("_", "")
    # 1,500,000 is a million and a half; 1,5M is what some countries write for 1.5M, and never 15M.
    match = _SIZE.fullmatch(plain.replace(",", "") if _THOUSANDS.fullmatch(plain) else plain)
    size = float(match[1]) * _UNITS[match[2].lower()] if match else 0.0
    if size < 1 or size != int(size):
        raise UsageError(f"--tokens {text}", expected="a number of tokens, such as 300k, 1.5M or 150000000")
    return int(size)


def write_subsets(
    dialogues: str, labels: Sequence[str], tokenizer: Path | None, seed: int, out: Path
) -> Iterator[Size]:
    """Make the subsets, smallest first, each at OUT/LABEL and what it leaves out at OUT/LABEL-outside.

    Raises:
        UsageError: a size cannot be understood or is given twice, or there is no such folder.
        TouchstoneError: whatever the step complains of.
    """
    from components.ingest.step import subset

    sizes = sorted((read_size(label), label.strip()) for label in labels)
    if len({size for size, _ in sizes}) < len(sizes):
        raise UsageError(f"--tokens {', '.join(labels)}", expected="every size once")
    if not environment.is_address(dialogues):
        dialogues = str(folder_of(Path(dialogues), Dialogue))
    with _as_checkpoint(tokenizer, out) as checkpoint:
        given = {} if checkpoint is None else {"tokenizer": checkpoint}
        for size, label in sizes:
            folder = out / label
            # An earlier subset is replaced only by a whole one.
            with tempfile.TemporaryDirectory(prefix=".subset-", dir=_made(out)) as name:
                parts = {"subset": Path(name) / "subset", "outside": Path(name) / "outside"}
                params = {"max_tokens": size, "seed": seed}
                bind.call(subset, params=params, dialogues=dialogues, **given, **parts)
                _put(parts["outside"], out / f"{label}-outside")
                _put(parts["subset"], folder)
            notes = manifest.read(folder).notes
            yield Size(label, folder, int(str(notes["tokens"])), int(str(notes["dialogues"])), str(notes["unit"]))


def _made(folder: Path) -> Path:
    from components.contracts.places import disk_errors

    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def _put(made: Path, target: Path) -> None:
    if target.exists():
        if not (target / manifest.FILE_NAME).is_file() and any(target.iterdir()):
            raise TouchstoneError(f"{target} is not one of our artifacts", remedy="choose another folder with --out")
        shutil.rmtree(target)
    made.replace(target)


@contextmanager
def _as_checkpoint(folder: Path | None, out: Path) -> Iterator[Path | None]:
    """A checkpoint of ours as it is; of any other Hugging Face folder only its tokenizer, as an artifact."""
    if folder is None or (folder / manifest.FILE_NAME).is_file():
        yield folder
        return
    if not (folder / TOKENIZER_FILE).is_file():
        raise TouchstoneError(
            f"{folder} has no {TOKENIZER_FILE}",
            expected="the folder of a Hugging Face checkpoint with a fast tokenizer",
            remedy="AutoTokenizer.from_pretrained(BASE).save_pretrained(DIR) writes one",
        )
    with tempfile.TemporaryDirectory(prefix=".tokenizer-", dir=_made(out)) as name:
        output = Output(Path(name) / "tokenizer", Checkpoint)
        shutil.copyfile(folder / TOKENIZER_FILE, output.folder / TOKENIZER_FILE)
        output.commit()
        yield output.path
