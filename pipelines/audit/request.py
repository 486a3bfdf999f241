"""What an audit is asked to read: roles on the command line, or the same in an audit.yaml."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from components.contracts import files
from components.contracts.errors import UsageError
from components.contracts.rows import Role
from pipelines.audit.evaluations import ScoreRole as ScoreRole
from pipelines.audit.evaluations import expanded

SCORE_ROLES: tuple[ScoreRole, ...] = get_args(ScoreRole)
OUTPUT_ROLES: tuple[Role, ...] = get_args(Role)
DEFAULT_POLICY = "study"


class ScoreSource(BaseModel):
    """A file or folder of scores; `benchmark` names those that do not name their own."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    file: Path
    """File or folder."""
    benchmark: str | None = None
    """Benchmark of records without one."""


class AuditRequest(BaseModel):
    """The files of an audit, by role. The same keys as an audit.yaml, where paths are relative to that file."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    base: Path | None = None
    """Outputs of the open model before fine-tuning."""
    imitator: Path | None = None
    """Outputs of the base after fine-tuning on the target's outputs."""
    target: Path | None = None
    """Outputs of the stronger model."""
    target_second: Path | None = None
    """A second sample of the target: the ceiling of style."""
    scores: dict[ScoreRole, tuple[ScoreSource, ...]] = {}
    """Item scores: role -> files."""
    evaluations: dict[ScoreRole, Path] = {}
    """Roles that were given as what `touchstone evaluate` wrote; filled in from the roles themselves."""
    judgments: tuple[Path, ...] = ()
    """Who preferred which output."""
    gold: tuple[Path, ...] = ()
    """What people hold to be right on the same pairs: a judge that may gate must agree with it."""
    published: Path | None = None
    """Numbers known only from a publication."""
    prompts: Path | None = None
    """Ids and texts of the prompts, where the outputs do not hold both."""
    train: tuple[Path, ...] = ()
    """The imitation data, for the support map."""
    supported: dict[str, bool] = {}
    """Benchmark -> whether the imitation data cover it; goes before a measurement."""
    policy: str | dict[str, object] = DEFAULT_POLICY
    """A preset's name, a file, or the rules themselves."""
    names: dict[Role, str] = {}
    """Role -> the model's name."""
    title: str | None = None
    """Heading of the report."""
    redact: bool = False
    """Put length and digest in the place of prompts and answers, on the page and in its twins; rows/ keeps them."""
    out: Path | None = None
    """Folder to write."""

    @field_validator("judgments", "gold", "train", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return (value,) if isinstance(value, str | Path) else value

    @field_validator("scores", mode="before")
    @classmethod
    def _score_sources(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        return {role: tuple(_score_sources(entry)) for role, entry in value.items()}

    @model_validator(mode="after")
    def _enough(self) -> Self:
        given = [role for role in ("base", "imitator", "target") if getattr(self, role)]
        missing = [f"--{role}" for role in ("base", "imitator", "target") if role not in given]
        if (given or self.target_second) and missing:
            raise ValueError(f"outputs of {', '.join(given) or 'target_second'} without {' and '.join(missing)}")
        if not given and not self.scores and self.published is None:
            raise ValueError("nothing to compare: give --base, --imitator and --target, or --scores, or --published")
        if self.gold and not self.judgments:
            raise ValueError("--gold needs the judgments that it is held against: --judgments")
        if self.judgments and not given:
            raise ValueError("--judgments needs the outputs that were judged: --base, --imitator and --target")
        return self

    @property
    def outputs(self) -> dict[Role, Path]:
        """Role -> outputs file, in a fixed order."""
        found = {role: getattr(self, role) for role in OUTPUT_ROLES}
        return {role: path for role, path in found.items() if path is not None}


def _score_sources(entry: object) -> Iterable[object]:
    """A path, a list of paths or sources, or a mapping of benchmark to path."""
    if isinstance(entry, Mapping) and "file" not in entry:
        return [{"file": path, "benchmark": benchmark} for benchmark, path in entry.items()]
    entries = entry if isinstance(entry, list | tuple) else [entry]
    return [{"file": item} if isinstance(item, str | Path) else item for item in entries]


def load_request(path: Path, overrides: Mapping[str, object]) -> AuditRequest:
    """An audit.yaml, with what was given on the command line in place of its keys.

    Raises:
        TouchstoneError: the file cannot be read.
        UsageError: an unknown key or an impossible value; file, line and key are named.
    """
    document = files.document(path)
    values = dict(document.value)
    for key in values:
        if key not in AuditRequest.model_fields:
            raise _unknown_key(path, str(key))
    return make_request({**_resolved(values, path.parent), **overrides}, where=str(path))


def make_request(values: Mapping[str, object], *, where: str) -> AuditRequest:
    """A checked request.

    Raises:
        UsageError: an impossible value, or too little to compare.
    """
    try:
        return AuditRequest.model_validate(expanded(values, {role: role in SCORE_ROLES for role in OUTPUT_ROLES}))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"] if part != "function-after")
        problem = str(first["msg"]).removeprefix("Value error, ")
        raise UsageError(
            f"{where}: {f'{key}: ' if key else ''}{problem}",
            expected="roles base, imitator, target, target_second; scores of base, imitator, target",
            remedy="touchstone audit --help",
        ) from error


def _unknown_key(path: Path, key: str) -> UsageError:
    close = difflib.get_close_matches(key, AuditRequest.model_fields, 1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return UsageError(
        f"{path}{_line_of(path, key)}: unknown key {key}{hint}",
        expected=", ".join(AuditRequest.model_fields),
        remedy=f"correct or remove {key}",
    )


def _line_of(path: Path, key: str) -> str:
    pattern = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*:""")
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    return next((f", line {number}" for number, line in enumerate(lines, 1) if pattern.match(line)), "")


def _resolved(values: Mapping[str, object], folder: Path) -> dict[str, object]:
    """The request's paths, taken from the folder of the file that names them."""
    made = dict(values)
    for key in (*OUTPUT_ROLES, "judgments", "gold", "published", "prompts", "train", "out"):
        if key in made:
            made[key] = _join(made[key], folder)
    scores = made.get("scores")
    if isinstance(scores, Mapping):
        made["scores"] = {role: [_source(item, folder) for item in _sources_of(e)] for role, e in scores.items()}
    policy = made.get("policy")
    if isinstance(policy, str) and (folder / policy).is_file():
        made["policy"] = str(folder / policy)
    return made


def _sources_of(entry: object) -> Iterable[object]:
    return [] if entry is None else _score_sources(entry)


def _source(item: object, folder: Path) -> object:
    return {**item, "file": _join(item["file"], folder)} if isinstance(item, dict) and "file" in item else item


def _join(value: object, folder: Path) -> object:
    if isinstance(value, str):
        return folder / value
    return [_join(item, folder) for item in value] if isinstance(value, list) else value
