"""Everything an audit reads, as rows: checked against each other, joined by id, nothing written yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from components.collect.joins import Join, join, named, words
from components.collect.judgments import Verdicts, read_judgments
from components.collect.outputs import Outputs, flag, read_outputs
from components.collect.prompts import PromptIndex, digest_id, read_prompts
from components.collect.published import Published, read_published
from components.collect.score_file import ScoreFile
from components.collect.scores import read_scores
from components.contracts import canonical, files
from components.contracts.dialogue_rows import Dialogue, Removal
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.evidence_rows import SupportClaim
from components.contracts.preference_rows import GoldLabel
from components.contracts.rows import Role, Score, TaskItem
from components.ingest.reading.readers import read_dialogues
from components.report.redaction import stand_in
from pipelines.audit.evaluations import items_of, on_common_ground, variants_of
from pipelines.audit.request import AuditRequest, ScoreRole
from pipelines.audit.roles import (
    refuse_one_file_in_two_roles,
    refuse_one_model_in_two_roles,
    refuse_scores_of_another_role,
    same_scores,
)
from pipelines.judging.gold import gold_about

NOTHING_PUBLISHED = Published((), (), ())


@dataclass(frozen=True)
class Gathered:
    """All rows of an audit, and what was noticed on the way."""

    outputs: Mapping[Role, Outputs]
    scores: Mapping[ScoreRole, ScoreFile]
    judgments: Verdicts
    published: Published
    claims: tuple[SupportClaim, ...]
    dialogues: tuple[Dialogue, ...]
    removed: tuple[Removal, ...]
    models: Mapping[Role, str]
    joins: tuple[Join, ...]
    remarks: tuple[str, ...]
    files: Mapping[str, list[dict[str, object]]]
    """Role or option -> name and digest of each file."""
    variants: Mapping[ScoreRole, list[Score]] = field(default_factory=dict)
    """Scores in other prompt styles and channels, of roles given as evaluations."""
    items: tuple[TaskItem, ...] = ()
    """Their questions."""
    gold: tuple[GoldLabel, ...] = ()
    """People's labels of judged pairs."""

    @property
    def benchmarks(self) -> list[str]:
        """Names of all benchmarks, in the order in which they appear."""
        scored = [name for file in self.scores.values() for name in file.benchmarks]
        return list(dict.fromkeys([*scored, *(row.benchmark for row in self.published.scores)]))


def gather(request: AuditRequest) -> Gathered:
    """Read all files of a request.

    Raises:
        TouchstoneError: a file cannot be read or is of another kind, an id stands twice, a file plays two roles, or the
            models share too few prompts or items.
        UsageError: a declaration about a benchmark that nobody measured.
    """
    refuse_one_file_in_two_roles(request)
    prompts = read_prompts(request.prompts) if request.prompts else PromptIndex()
    outputs = {
        role: read_outputs(path, role, name=request.names.get(role), prompts=prompts)
        for role, path in request.outputs.items()
    }
    refuse_one_model_in_two_roles(outputs)
    scores = {
        role: read_scores([(s.file, s.benchmark) for s in sources], role, name=_known_name(role, request, outputs))
        for role, sources in request.scores.items()
    }
    refuse_scores_of_another_role(scores, outputs)
    variants = {role: variants_of(place) for role, place in request.evaluations.items()}
    scores, reread = on_common_ground(scores, variants)
    published = read_published(request.published) if request.published else NOTHING_PUBLISHED
    judgments = read_judgments(request.judgments, list(outputs.values()), prompts=prompts)
    dialogues, removed = _read_training(request.train, outputs)
    joins = [*_join_outputs(outputs), *_join_scores(scores, published)]
    if request.redact:
        joins = [_without_ids(join) for join in joins]
    made = Gathered(
        outputs,
        scores,
        judgments,
        published,
        (),
        tuple(dialogues),
        tuple(removed),
        _models(request, outputs, scores, published),
        tuple(joins),
        (),
        _describe_files(request),
        variants,
        tuple({item.id: item for place in request.evaluations.values() for item in items_of(place)}.values()),
        tuple(gold_about(request.gold, list(outputs.values()), prompts)),
    )
    claims = _claims(request, published, made.benchmarks)
    remarks = (*_remarks(made), *reread)
    return Gathered(**{**vars(made), "claims": claims, "remarks": remarks})


def _without_ids(join: Join) -> Join:
    """The join with its ids made unreadable: where a file names none, the text itself may be the id."""
    return join._replace(missing={role: tuple(map(stand_in, ids)) for role, ids in join.missing.items()})


def _known_name(role: ScoreRole, request: AuditRequest, outputs: Mapping[Role, Outputs]) -> str | None:
    return request.names.get(role) or (outputs[role].model if role in outputs else None)


def _read_training(paths: Sequence[Path], outputs: Mapping[Role, Outputs]) -> tuple[list[Dialogue], list[Removal]]:
    dialogues: list[Dialogue] = []
    removed: list[Removal] = []
    target = outputs["target"].model if "target" in outputs else "unknown"
    for path in paths:
        kept, gone = read_dialogues(path, target=target)
        if not kept:
            raise TouchstoneError(
                f"{path} holds no usable conversation: all {len(gone)} were set aside",
                expected="conversations with a user turn and the target's reply",
                remedy="check the file's role names",
            )
        dialogues += kept
        removed += gone
    return dialogues, removed


def _join_outputs(outputs: Mapping[Role, Outputs]) -> list[Join]:
    if not outputs:
        return []
    ids: dict[str, list[str]] = {role: [row.prompt_id for row in entry.completions] for role, entry in outputs.items()}
    places: dict[str, str] = {role: f"--{flag(role)} {entry.path}" for role, entry in outputs.items()}
    # A prompt without an id of its own is known to a person by its words.
    texts = {
        row.prompt_id: files.show(row.prompt)
        for entry in outputs.values()
        for row in entry.completions
        if row.prompt and row.prompt_id == digest_id(row.prompt)
    }
    return [join("outputs", ids, what="prompts", places=places, texts=texts)]


def _join_scores(scores: Mapping[ScoreRole, ScoreFile], published: Published) -> list[Join]:
    by_benchmark: dict[str, dict[str, dict[str, None]]] = {}
    for role, file in scores.items():
        for row in file.scores:
            by_benchmark.setdefault(row.benchmark, {}).setdefault(role, {})[row.item_id] = None
    base, imitator = (_benchmarks_of(scores, published, role) for role in ("base", "imitator"))
    if (base or imitator) and not base & imitator:
        raise TouchstoneError(
            f"the base has scores of {named(sorted(base)) or 'nothing'}, the imitator of"
            f" {named(sorted(imitator)) or 'nothing'}: no benchmark in common",
            expected="base and imitator scored on the same benchmarks",
            remedy="give both, with --scores base= and --scores imitator=; files whose records name no benchmark are"
            " matched by --scores ROLE:BENCHMARK=FILE",
        )
    places: dict[str, str] = {role: f"--scores {role}=" for role in scores}
    return [join(name, ids, places=places) for name, ids in by_benchmark.items() if len(ids) > 1]


def _models(
    request: AuditRequest,
    outputs: Mapping[Role, Outputs],
    scores: Mapping[ScoreRole, ScoreFile],
    published: Published,
) -> dict[Role, str]:
    found: dict[Role, str] = {row.role: row.model for row in published.scores}
    found |= {file.role: file.model for file in scores.values()}
    found |= {role: entry.model for role, entry in outputs.items()}
    return {**found, **request.names}


def _claims(request: AuditRequest, published: Published, benchmarks: Sequence[str]) -> tuple[SupportClaim, ...]:
    for name in request.supported:
        if name not in benchmarks:
            raise UsageError(
                f"supported names {name}, which was not measured",
                expected=", ".join(benchmarks) or "a benchmark with scores",
                remedy="correct the name",
            )
    declared = {claim.benchmark: claim.supported for claim in published.claims} | request.supported
    return tuple(SupportClaim(benchmark=name, supported=value) for name, value in declared.items())


def _remarks(made: Gathered) -> list[str]:
    found = [line for join in made.joins for line in join.lines()]
    found += [
        f"Outputs: {entry.num_empty} of the {words(entry.role)}'s are empty; they count as they are."
        for entry in made.outputs.values()
        if entry.num_empty
    ]
    for file in made.scores.values():
        found += file.remarks
    found += same_scores(made.scores)
    for name, count in made.judgments.skipped.items():
        found.append(f"{name}: {count} judgments of other models or prompts were left out.")
    found += made.judgments.warnings
    base, imitator = (_benchmarks_of(made.scores, made.published, role) for role in ("base", "imitator"))
    for name in made.benchmarks:
        if (name in base) != (name in imitator):
            found.append(f"{name}: only the {'base' if name in base else 'imitator'} has scores; nothing to compare.")
    if made.removed:
        found.append(f"Imitation data: {len(made.removed)} records were set aside (rows/removed says why).")
    return list(dict.fromkeys(found))


def _benchmarks_of(scores: Mapping[ScoreRole, ScoreFile], published: Published, role: str) -> set[str]:
    """Benchmarks for which the role has item scores or a mean."""
    found = {row.benchmark for row in published.scores if row.role == role}
    for file in scores.values():
        if file.role == role:
            found |= set(file.benchmarks)
    return found


def _describe_files(request: AuditRequest) -> dict[str, list[dict[str, object]]]:
    given: dict[str, Sequence[Path]] = {role: [path] for role, path in request.outputs.items()}
    given |= {f"scores of {role}": [s.file for s in sources] for role, sources in request.scores.items()}
    given |= {"judgments": request.judgments, "gold": request.gold, "train": request.train}
    given |= {name: [path] for name in ("published", "prompts") if (path := getattr(request, name))}
    return {kind: [_describe(path) for path in paths] for kind, paths in given.items() if paths}


def _describe(path: Path) -> dict[str, object]:
    # Names only: a full path would carry this machine into every report.
    if path.is_dir():
        entries = {name: canonical.file_digest(path / name) for name in canonical.tree_files(path)}
        return {"name": path.name, "sha256": canonical.digest(entries), "files": len(entries)}
    return {"name": path.name, "sha256": canonical.file_digest(path)}
