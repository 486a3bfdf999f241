"""`python -m components.train`: the train step as a program, on one machine or in a TrainJob's pods.

Artifacts are folders, or addresses in the object store (s3://BUCKET/KEY); the store's own client is imported only for
the latter.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.contracts import bind
from components.contracts.errors import TouchstoneError, UsageError
from components.train import step
from components.train.trainjob.surroundings import place


def main(words: Sequence[str] | None = None) -> None:
    """Train, and leave the checkpoint at --checkpoint.

    Args:
        words: The command line without the program's name; the process's own when left out.

    Raises:
        SystemExit: with a TouchstoneError's exit code, its message on the standard error stream.
    """
    given = _parser().parse_args(words)
    try:
        _check_alone()
        _check_code(given.code)
        params = _params(given.params)
    except TouchstoneError as error:
        sys.stderr.write(f"train: {error}\n")
        raise SystemExit(error.exit_code) from None
    places = {"dialogues": given.dialogues, "base": given.base, "checkpoint": given.checkpoint}
    places |= {"replay": given.replay} if given.replay else {}
    outcome = bind.run(step.train, params=params, **places)
    sys.stdout.write(json.dumps({"metrics": outcome.metrics, "reused": outcome.reused}) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m components.train", description="Fine-tune a base on dialogues.")
    place_help = "a folder, or s3://BUCKET/KEY"
    parser.add_argument("--dialogues", required=True, help=f"artifact of Dialogue rows: {place_help}")
    parser.add_argument("--base", required=True, help=f"checkpoint to begin with: {place_help}")
    parser.add_argument("--checkpoint", required=True, help=f"where the imitator goes: {place_help}")
    parser.add_argument("--replay", default="", help=f"pre-training text to mix in, if any: {place_help}")
    parser.add_argument("--params", default="{}", help="a JSON file with the step's parameters, or the JSON itself")
    parser.add_argument("--code", default="", help="code version that must be the one of this installation")
    return parser


def _params(given: str) -> dict[str, Any]:
    text, where = given, "--params"
    if not given.lstrip().startswith("{"):
        where = given
        try:
            text = Path(given).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"--params {given} cannot be read: {error}", remedy="give a JSON file, or the JSON itself"
            ) from error
    try:
        parsed = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{where} is not JSON: {error}", expected='{"recipe": {...}, "seed": 0}') from error
    if not isinstance(parsed, dict):
        raise UsageError(f"{where} holds {type(parsed).__name__}", expected="an object: the step's parameters by name")
    return parsed


def _check_alone() -> None:
    here = place()
    if here.world_size != 1:
        raise TouchstoneError(
            f"this is process {here.rank} of {here.world_size}, and training in several processes is not here yet",
            expected="one process; several come with the training engines (issue 7)",
            remedy="leave cluster.nodes and cluster.processes_per_node at 1",
        )


def _check_code(wanted: str) -> None:
    own = bind.code_version(step.train)
    if wanted and wanted != own:
        raise TouchstoneError(
            f"this image holds other code ({own[:12]}) than the step that asked for the training ({wanted[:12]})",
            expected="one version of Touchstone in the pipeline's images and in the training runtime's",
            remedy="helm upgrade touchstone charts/touchstone, or give cluster.image by digest",
        )


if __name__ == "__main__":
    main()
