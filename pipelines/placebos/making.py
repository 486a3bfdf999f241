"""Placebos of two files of answers, with the log of what was changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from components.collect.outputs import read_outputs
from components.collect.prompts import PromptIndex, read_prompts
from components.contracts import bind
from components.contracts import manifest as manifests
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Input, write_rows
from components.contracts.preference_rows import Alteration
from components.contracts.rows import Completion, Prompt, Role
from components.placebo.step import make_placebos, prepare_stylistic
from pipelines.audit.evaluations import ANSWERS, is_evaluation

MADE_OF, ALTERATIONS, REQUESTS = "made_of", "alterations", "requests"
ARMS = ("restyled_base", "stylistic_base", "corrupted_target", "constant")


@dataclass(frozen=True)
class Request:
    """What placebos are made of, and how."""

    base: str
    """The base's answers: a file, an evaluation, or a folder of Completion rows."""
    target: str
    """The target's."""
    out: Path
    """Where everything goes."""
    prompts: Path | None = None
    """Ids and texts of prompts, where answers do not hold both."""
    stylistic: str = ""
    """The base's answers to the requests of an earlier call; empty = that arm is left out."""
    params: Mapping[str, object] | None = None
    """Parameters of make_placebos."""
    asking: Mapping[str, object] | None = None
    """Parameters of prepare_stylistic."""
    examples_of_target: bool = False
    """Whether the base is shown answers of the target; False = the examples that ship."""


@dataclass(frozen=True)
class Made:
    """What was made."""

    folder: Path
    answers: Mapping[str, int]
    """Arm -> answers with text."""
    left_out: Mapping[str, Mapping[str, int]]
    """Arm -> why answers could not be made -> how many."""
    alterations: int


def make(request: Request) -> Made:
    """Every arm into a folder of its name below `request.out`, which `touchstone judge answers` takes as it is.

    Raises:
        UsageError: a place does not exist.
        TouchstoneError: a file cannot be read, or base and target share no prompt.
    """
    prompts = read_prompts(request.prompts) if request.prompts else PromptIndex()
    # One folder deeper than the placebos: a judge is given all that lies beside them.
    sources = request.out / MADE_OF
    target = _answers(request.target, "target", prompts)
    base = _answers(request.base, "base", prompts)
    if not {row.prompt_id for row in base} & {row.prompt_id for row in target}:
        raise TouchstoneError(
            f"{request.base} and {request.target} have no prompt in common",
            expected="answers of base and target to the same prompts",
            remedy="give --prompts where one file names prompts by text and the other by number",
        )
    write_rows(sources / "target", Completion, target)
    write_rows(sources / "base", Completion, base)
    asked = [Prompt(id=row.prompt_id, text=row.prompt) for row in target if row.prompt]
    write_rows(sources / "prompts", Prompt, asked)
    shown = {"target": sources / "target"} if request.examples_of_target else {}
    bind.call(
        prepare_stylistic,
        params=request.asking,
        prompts=sources / "prompts",
        requests=request.out / REQUESTS,
        **shown,
    )
    ports = {"base": sources / "base", "target": sources / "target"}
    if request.stylistic:
        _refuse_cut(Path(request.stylistic))
        write_rows(sources / "stylistic", Completion, _answers(request.stylistic, "base", prompts))
        ports["stylistic"] = sources / "stylistic"
    outputs = {name: request.out / name for name in (*ARMS, ALTERATIONS)}
    bind.call(make_placebos, params=request.params, **ports, **outputs)
    return _made(request.out)


def changed_answers(folder: Path, count: int) -> Iterator[str]:
    """Some corrupted answers as texts in which every change is marked, [-what stood there-]{+what stands there+}.

    Args:
        folder: What `make` wrote.
        count: How many; drawn by hash, always the same.
    """
    texts = {row.prompt_id: row for row in Input(folder / MADE_OF / "target", Completion).iter_rows()}
    log: dict[str, list[Alteration]] = {}
    for change in Input(folder / ALTERATIONS, Alteration).iter_rows():
        if change.arm == "corrupted_target":
            log.setdefault(change.prompt_id, []).append(change)
    for prompt_id in sorted(log, key=lambda name: hashlib.sha256(name.encode()).digest())[:count]:
        row, parts, done = texts[prompt_id], list[str](), 0
        for change in log[prompt_id]:
            old = f"[-{change.before}-]" if change.before else ""
            new = f"{{+{change.after}+}}" if change.after else ""
            parts += [row.text[done : change.begin], old, new]
            done = change.begin + len(change.before)
        yield f"{row.prompt or prompt_id}\n\n{''.join([*parts, row.text[done:]])}"


def _refuse_cut(folder: Path) -> None:
    """Refuse what a base wrote without the examples, which its context did not hold; files do not say."""
    if not (folder / manifests.FILE_NAME).is_file():
        return
    rows = Input(folder, Completion).rows()
    cut = sum(row.cut_tokens > 0 for row in rows)
    if cut > len(rows) / 2:
        raise TouchstoneError(
            f"{folder}: the base's context cut off the examples before {cut} of {len(rows)} prompts",
            expected="examples, prompt and answer within the base's context",
            remedy="make OUT/requests again with smaller --num-examples or --max-tokens, and have them answered again",
        )


def _answers(given: str, role: Role, prompts: PromptIndex) -> list[Completion]:
    name, separator, rest = given.partition("=")
    path = Path(given) if not separator or Path(given).exists() else Path(rest)
    if not path.exists():
        raise UsageError(f"{path} does not exist", expected="a file or folder of answers", remedy="check the path")
    own_name = name if str(path) != given else None
    folder = path / ANSWERS if path.is_dir() and is_evaluation(path) else path
    read = read_outputs(folder, role, name=own_name, prompts=prompts, option=f"--{role}", unnamed=role)
    return [row.model_copy(update={"prompt": row.prompt or prompts.text(row.prompt_id)}) for row in read.completions]


def _made(folder: Path) -> Made:
    answers: dict[str, int] = {}
    left_out: dict[str, dict[str, int]] = {}
    for arm in ARMS:
        reasons: dict[str, int] = {}
        answers[arm] = 0
        for row in Input(folder / arm, Completion).iter_rows():
            if row.unanswered is None:
                answers[arm] += 1
            else:
                reasons[row.unanswered] = reasons.get(row.unanswered, 0) + 1
        left_out[arm] = reasons
    return Made(folder, answers, left_out, Input(folder / ALTERATIONS, Alteration).manifest.num_rows)
