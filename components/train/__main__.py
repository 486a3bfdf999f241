"""`python -m components.train`: the train step as a program, on one machine or in a TrainJob's pods.

Artifacts are folders, or addresses in the object store (s3://BUCKET/KEY); the store's own client is imported only for
the latter.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.contracts import bind
from components.contracts.detached import local_ports
from components.contracts.dialogue_rows import Dialogue
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Checkpoint, Input, Nothing
from components.contracts.processes import die_with_parent
from components.contracts.rows import TextRow
from components.train import step
from components.train.params import Params
from components.train.trainjob.surroundings import Place, place

if TYPE_CHECKING:
    from components.train.engines.group import Group


def main(words: Sequence[str] | None = None) -> None:
    """Train, and leave the checkpoint at --checkpoint and its loss curve beside it.

    Args:
        words: The command line without the program's name; the process's own when left out.

    Raises:
        SystemExit: with a TouchstoneError's exit code, its message on the standard error stream.
    """
    given = _parser().parse_args(words)
    here = place()
    try:
        _check_code(given.code)
        params = _params(given.params)
        if here.world_size > 1:
            outcome = _among_others(given, params, here, list(sys.argv[1:] if words is None else words))
        else:
            outcome = bind.run(step.train, params=params, **_places(given))
    except TouchstoneError as error:
        sys.stderr.write(f"train: {error}\n")
        raise SystemExit(error.exit_code) from None
    if outcome is not None:
        sys.stdout.write(json.dumps({"metrics": outcome.metrics, "reused": outcome.reused}) + "\n")


def _among_others(
    given: argparse.Namespace, params: dict[str, Any], here: Place, words: list[str]
) -> bind.Outcome | None:
    """One of several processes: the chief does the step, the others take part in its training.

    Raises:
        TouchstoneError: as the step, or some of the processes are lost.
    """
    from components.train.engines import group as groups
    from components.train.engines import workers

    if given.worker:
        die_with_parent()
        workers.say_ready()
    with contextlib.ExitStack() as held:
        if here.leads:
            host, port = groups.meeting_point(here)
            held.enter_context(workers.started([*words, "--worker"], here, host, port))
        group = held.enter_context(groups.joined(here))
        if not group.chief:
            _follow(given, params, group)
            return None
        outcome = bind.run(step.train, params=params, **_places(given))
        if outcome.reused:
            group.hear(workers.NOTHING)
        return outcome


def _follow(given: argparse.Namespace, params: dict[str, Any], group: Group) -> None:
    from components.train.engines import workers
    from components.train.imitation import fine_tune

    checked = bind.check_params(step.train, params)
    assert isinstance(checked, Params)
    places = {name: place for name, place in _places(given).items() if name not in ("checkpoint", "curve")}
    with local_ports(places, ()) as local:
        replay = Input(local["replay"], TextRow) if "replay" in local else Nothing(TextRow)
        if group.hear() == workers.TRAIN:
            base = Input(local["base"], Checkpoint)
            fine_tune(Input(local["dialogues"], Dialogue), base, None, None, None, checked, replay, group)


def _places(given: argparse.Namespace) -> dict[str, str]:
    places = {"dialogues": given.dialogues, "base": given.base, "checkpoint": given.checkpoint}
    places["curve"] = given.curve or f"{given.checkpoint.rstrip('/')}-curve"
    return places | ({"replay": given.replay} if given.replay else {})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m components.train", description="Fine-tune a base on dialogues.")
    place_help = "a folder, or s3://BUCKET/KEY"
    parser.add_argument("--dialogues", required=True, help=f"artifact of Dialogue rows: {place_help}")
    parser.add_argument("--base", required=True, help=f"checkpoint to begin with: {place_help}")
    parser.add_argument("--checkpoint", required=True, help=f"where the imitator goes: {place_help}")
    parser.add_argument("--curve", default="", help=f"where its loss curve goes: {place_help}  [CHECKPOINT-curve]")
    parser.add_argument("--replay", default="", help=f"pre-training text to mix in, if any: {place_help}")
    parser.add_argument("--params", default="{}", help="a JSON file with the step's parameters, or the JSON itself")
    parser.add_argument("--code", default="", help="code version that must be the one of this installation")
    parser.add_argument("--worker", action="store_true", help="set by the process that starts this one beside itself")
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
