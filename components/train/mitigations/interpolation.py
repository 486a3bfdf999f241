"""Weights between a base and its imitator, read and written one tensor at a time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import safe_open

from components.contracts.errors import TouchstoneError
from components.contracts.manifest import FILE_NAME
from components.train.models import LOSS_FILE

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
HEADER_BYTES = 8
"""A safetensors file begins with the length of its header, little-endian."""
SAME = ("model_type", "architectures", "tie_word_embeddings")
"""Fields of config.json that two models must share to be mixed; everything else that matters is in the shapes."""


def interpolated(base: Path, imitator: Path, folder: Path, alpha: float) -> dict[str, object]:
    """Write the model (1 - alpha) * base + alpha * imitator, tensor by tensor; gives notes for its manifest.

    Files, types, configuration and tokenizer are the imitator's. At 0 and 1 values are those of the base and of the
    imitator, bit for bit (in the imitator's type). Rows that only the imitator has are its own at every alpha: the role
    tokens of a base whose vocabulary was grown.

    Raises:
        TouchstoneError: the two are not a base and its imitator: another architecture, other tensors or shapes, or
            tokens with other numbers.
    """
    _check_alike(base, imitator)
    sources = _files(base)
    made = {path.name for path in _files(imitator).values()}
    if set(sources) != set(_files(imitator)):
        odd = sorted(set(sources) ^ set(_files(imitator)))
        raise TouchstoneError(
            f"{len(odd)} tensors are in one model only, such as {odd[0]}", expected="a base and a model trained from it"
        )
    grown: dict[str, int] = {}
    for name in sorted(made):
        _write(imitator / name, folder / name, sources, alpha, grown)
    for path in imitator.iterdir():
        if path.is_file() and path.name not in {*made, FILE_NAME, LOSS_FILE}:
            shutil.copyfile(path, folder / path.name)
    rows = max(grown.values(), default=0)
    notes: dict[str, object] = {"alpha": alpha, "tensors": len(sources), "rows_of_the_imitator": rows}
    if rows:
        notes["grown"] = f"{', '.join(sorted(grown))}: the last {rows} rows, which the base lacks, are the imitator's"
    return notes


def _check_alike(base: Path, imitator: Path) -> None:
    configs = [json.loads((folder / "config.json").read_text(encoding="utf-8")) for folder in (base, imitator)]
    for field in SAME:
        one, other = (config.get(field) for config in configs)
        if one != other:
            raise TouchstoneError(
                f"the base's {field} is {one}, the imitator's {other}", expected="a base and a model trained from it"
            )
    from transformers import AutoTokenizer

    known, wanted = (AutoTokenizer.from_pretrained(f, local_files_only=True).get_vocab() for f in (imitator, base))
    moved = [token for token, number in wanted.items() if known.get(token) != number]
    if moved:
        raise TouchstoneError(
            f"{len(moved)} tokens of the base have another number in the imitator, such as {moved[0]!r}",
            expected="one vocabulary, to which the imitator may have added tokens at the end",
        )


def _files(folder: Path) -> dict[str, Path]:
    """Tensor -> the file it is in."""
    index = folder / INDEX
    if index.exists():
        placed: Mapping[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        return {name: folder / file for name, file in placed.items()}
    whole = folder / WEIGHTS
    if not whole.exists():
        raise TouchstoneError(f"{folder} has no weights as safetensors", expected=f"{WEIGHTS} or {INDEX}")
    with safe_open(whole, "pt") as file:
        return dict.fromkeys(file.keys(), whole)


def _write(source: Path, made: Path, bases: Mapping[str, Path], alpha: float, grown: dict[str, int]) -> None:
    """One file of the imitator again, with its own header: names, types, shapes and places stay."""
    with source.open("rb") as plain, safe_open(source, "pt") as imitator, made.open("wb") as out:
        length = plain.read(HEADER_BYTES)
        header = plain.read(int.from_bytes(length, "little"))
        out.write(length + header)
        for name in _in_order(json.loads(header)):
            with safe_open(bases[name], "pt") as base:
                value = _mixed(name, base, imitator.get_tensor(name), alpha, grown)
            _append(out, value)


def _in_order(header: Mapping[str, Any]) -> Iterator[str]:
    entries = ((entry["data_offsets"][0], name) for name, entry in header.items() if name != "__metadata__")
    return (name for _, name in sorted(entries))


def _mixed(name: str, base: Any, imitator: Any, alpha: float, grown: dict[str, int]) -> Any:
    """One tensor; what it has more rows of than the base goes into `grown`."""
    own, other = list(imitator.shape), list(base.get_slice(name).get_shape())
    rows = own[0] - other[0] if own and other else 0
    if len(own) != len(other) or own[1:] != other[1:] or rows < 0 or (rows and not imitator.is_floating_point()):
        raise TouchstoneError(
            f"{name} is {other} in the base and {own} in the imitator",
            expected="equal shapes, but for tokens added at the end of the vocabulary",
        )
    start = base.get_tensor(name)
    if not imitator.is_floating_point():
        if not torch.equal(start, imitator):
            raise TouchstoneError(f"{name}, which holds whole numbers, differs between base and imitator")
        return imitator
    if rows:
        grown[name] = rows
    known = imitator[: len(imitator) - rows] if rows else imitator
    precise = torch.promote_types(known.dtype, torch.float32)
    # lerp, not a weighted sum: exact at both ends. Not in place: the file is mapped, and pages written to would stay.
    made = torch.lerp(start.to(precise), known.to(precise), alpha).to(known.dtype)
    return torch.cat([made, imitator[-rows:]]) if rows else made


def _append(out: BinaryIO, value: Any) -> None:
    out.write(value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
