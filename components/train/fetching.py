"""A model from outside as a checkpoint: a folder on this machine, or a pinned revision on the Hugging Face Hub."""

from __future__ import annotations

import json
import math
import os
import shutil
from pathlib import Path

from components.contracts.bind import Metrics
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Checkpoint, Output
from components.train.params import FetchParams

WANTED = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja")
"""What a causal LM with its tokenizer consists of. Pickled weights run code when they are read: never taken."""
COMMIT = 40
"""Characters of a commit's hash."""


def fetch(checkpoint: Output[Checkpoint], params: FetchParams) -> Metrics:
    """See `step.fetch_checkpoint`."""
    here = Path(params.source).expanduser()
    source, revision = (here, "") if here.is_dir() else _downloaded(params)
    _check(source)
    folder = checkpoint.folder
    for pattern in WANTED:
        for file in sorted(source.glob(pattern)):
            _link(file.resolve(), folder / file.name)
    size = num_parameters(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    checkpoint.commit(
        notes={
            "source": params.source,
            "revision": revision,
            "parameters": size,
            "architecture": str(config.get("model_type", "")),
        }
    )
    return {"parameters": float(size)}


def num_parameters(folder: Path) -> int:
    """Weights in a folder's safetensors files, from their headers; tied ones, stored once, count once."""
    from safetensors import safe_open

    total = 0
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="numpy") as stored:
            total += sum(math.prod(stored.get_slice(name).get_shape()) for name in stored.keys())  # noqa: SIM118
    return total


def _downloaded(params: FetchParams) -> tuple[Path, str]:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    if len(params.revision) != COMMIT:
        raise UsageError(
            f"{params.source} is no folder here, and as a repository on the Hub it has no pinned revision",
            expected="a folder, or a repository and the 40 characters of a commit",
            remedy="correct source, or set revision to the commit that the repository's page shows",
        )
    try:
        return Path(snapshot_download(params.source, revision=params.revision, allow_patterns=list(WANTED))), (
            params.revision
        )
    except (OSError, HFValidationError) as error:
        raise TouchstoneError(
            f"{params.source} at {params.revision[:12]} could not be downloaded: {str(error).splitlines()[0]}",
            remedy="check the name, the network, HF_TOKEN for gated models and HF_HUB_OFFLINE; or give a folder",
        ) from error


def _check(source: Path) -> None:
    if not (source / "config.json").is_file() or not any(source.glob("*.safetensors")):
        raise TouchstoneError(
            f"{source} holds no config.json with safetensors beside it",
            expected="a Hugging Face model with its weights as safetensors",
            remedy="load it with transformers and save it with save_pretrained(folder), which writes safetensors",
        )
    if not any((source / name).is_file() for name in ("tokenizer.json", "tokenizer.model", "tokenizer_config.json")):
        raise TouchstoneError(f"{source} holds no tokenizer", remedy="save the tokenizer into the same folder")
    index = source / "model.safetensors.index.json"
    if index.is_file():
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        missing = sorted(name for name in shards if not (source / name).is_file())
        if missing:
            raise TouchstoneError(
                f"{source} lacks {', '.join(missing[:3])}, which {index.name} names", remedy="copy the model again"
            )


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)
