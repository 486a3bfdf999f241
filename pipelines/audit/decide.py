"""Saved rows -> verdict. The audit itself decides through this, so recomputing cannot differ from it."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from components.contracts.data_rows import DataFigures, Overlap
from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import (
    Judgment,
    PublishedScore,
    PublishedStyle,
    StyleProfile,
    Support,
    SupportClaim,
)
from components.contracts.ports import Folder, Input, Nothing, Output, Provenance
from components.contracts.preference_rows import GoldLabel, StyleFeatures, ToneScore
from components.contracts.rows import Role, Row, Score
from components.contracts.verdict import Verdict
from components.report.page_inputs import CostLine
from components.report.policy import Policy, load_policy
from pipelines.audit.kept_ports import check_ports, ports_of
from pipelines.audit.place import ROWS, SETTINGS, is_audit

R = TypeVar("R", bound=Row)
SETTINGS_FILE = "settings.json"
SCORED_ROLES: tuple[Role, ...] = ("base", "imitator", "target")


class AuditSettings(Folder):
    """What a verdict depends on beside the rows: settings.json."""


class Settings(BaseModel):
    """Content of settings.json."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    policy: Policy
    """The rules."""
    models: dict[Role, str]
    """Role -> name."""
    title: str | None = None
    """Heading of the page."""
    resamples: int = 2000
    """Of every bootstrap."""
    seed: int = 0
    """Of every bootstrap."""
    min_matched: float = 0.5
    """Least share of items two models must share; joins were checked by the same when they were read."""
    redact: bool = False
    """Ids of dialogues are left out of the verdict: they may be the texts themselves."""
    remarks: tuple[str, ...] = ()
    """What was noticed while reading; shown before the statistics' own warnings."""
    costs: tuple[CostLine, ...] = ()
    """What the work took, as it could be read when the audit was made."""
    provenance: dict[str, object] = Field(default_factory=dict)
    """Files, digests, joins."""


def write_settings(rows: Path, settings: Settings) -> None:
    """Write settings.json, the last part of an audit's rows; its manifest names every port and its content."""
    output = Output(rows / SETTINGS, AuditSettings, Provenance(parents=ports_of(rows)))
    (output.folder / SETTINGS_FILE).write_text(settings.model_dump_json(indent=1) + "\n", encoding="utf-8")
    output.commit()


def read_settings(folder: Path) -> Settings:
    """An audit's settings.

    Raises:
        TouchstoneError: the folder is no audit, its settings were changed, or its ports are not those it was made of.
    """
    if not is_audit(folder):
        raise TouchstoneError(
            f"{folder} {'is not a finished audit' if folder.is_dir() else 'is not a folder'}",
            expected=f"a folder with {ROWS}/{SETTINGS}/manifest.json, as `touchstone audit --out` writes it",
            remedy="give that folder, or run the audit again",
        )
    kept = Input(folder / ROWS / SETTINGS, AuditSettings)
    path = kept.folder / SETTINGS_FILE
    check_ports(folder / ROWS, kept.manifest.parents)
    try:
        return Settings.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise TouchstoneError(
            f"{path}: {error.errors()[0]['msg']}", remedy="run the audit again with this version"
        ) from error


def decide_from(rows: Path, settings: Settings) -> Verdict:
    """The verdict on rows below `rows`, one folder a port; a port without a folder was not given.

    Raises:
        TouchstoneError: a changed or half-written artifact, or rows that contradict each other.
    """
    from components.report.decision import decide
    from components.report.redaction import redact_verdict

    support = _port(rows, "support", Support)
    threshold = support.manifest.notes.get("threshold") if not isinstance(support, Nothing) else None
    verdict = decide(
        base_scores=_port(rows, "base_scores", Score).iter_rows(),
        imitator_scores=_port(rows, "imitator_scores", Score).iter_rows(),
        target_scores=_port(rows, "target_scores", Score).iter_rows(),
        base_variants=_port(rows, "base_variants", Score).iter_rows(),
        imitator_variants=_port(rows, "imitator_variants", Score).iter_rows(),
        published=_port(rows, "published", PublishedScore).iter_rows(),
        profiles=_port(rows, "profiles", StyleProfile).iter_rows(),
        published_style=_port(rows, "published_style", PublishedStyle).iter_rows(),
        judgments=_port(rows, "judgments", Judgment).iter_rows(),
        features=_port(rows, "features", StyleFeatures).iter_rows(),
        gold=_port(rows, "gold", GoldLabel).iter_rows(),
        tones=(row for role in SCORED_ROLES for row in _port(rows, f"{role}_tones", ToneScore).iter_rows()),
        support=support.iter_rows(),
        claims=_port(rows, "claims", SupportClaim).iter_rows(),
        figures=_port(rows, "figures", DataFigures).iter_rows(),
        overlap=_port(rows, "overlap", Overlap).iter_rows(),
        policy=settings.policy,
        support_threshold=float(threshold) if isinstance(threshold, int | float) else None,
        models=settings.models,
        resamples=settings.resamples,
        seed=settings.seed,
        min_matched=settings.min_matched,
        provenance=settings.provenance,
    )
    remarks = (*settings.remarks, *(line for line in verdict.warnings if line not in settings.remarks))
    verdict = verdict.model_copy(update={"warnings": remarks})
    return redact_verdict(verdict) if settings.redact else verdict


def recompute(folder: Path, *, policy: str | None = None) -> Verdict:
    """The verdict of a finished audit from its rows alone, perhaps by another policy.

    Raises:
        TouchstoneError: not an audit, or its rows were changed.
        UsageError: the policy cannot be understood.
    """
    settings = read_settings(folder)
    if policy is not None:
        settings = settings.model_copy(update={"policy": load_policy(policy)})
    return decide_from(folder / ROWS, settings)


def _port(rows: Path, name: str, contract: type[R]) -> Input[R]:
    folder = rows / name
    return Input(folder, contract) if folder.exists() else Nothing(contract)
