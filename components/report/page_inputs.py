"""What the report page is given beside the verdict. Frozen, and every part optional: a verdict alone makes a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from components.contracts.rows import Completion
from components.contracts.training_rows import TrainingStep
from components.contracts.verdict import Verdict


class _Input(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class PolicyLimits(_Input):
    """The policy's lines that the figures draw faintly."""

    capability_gap_closed: float | None = None
    """A gap closed from here on counts as a gain."""
    negligible_gap_closed: float | None = None
    """Below this a gap closed counts as nothing."""
    style_captured: float | None = None
    """A closeness from here on counts as captured."""
    alpha: float | None = None
    """Intervals are two-sided at 1 - alpha."""

    @classmethod
    def from_provenance(cls, provenance: Mapping[str, object]) -> Self:
        """The limits recorded under `policy` in a verdict's provenance; unknown ones stay None."""
        recorded = provenance.get("policy")
        if not isinstance(recorded, Mapping):
            return cls()
        numbers = {
            name: float(recorded[name])
            for name in cls.model_fields
            if isinstance(recorded.get(name), int | float) and not isinstance(recorded.get(name), bool)
        }
        return cls(**numbers)


class ExampleOutput(_Input):
    """One prompt with the three models' answers, side by side."""

    prompt: str
    """The instruction."""
    base: str | None = None
    """The base's answer; null when it gave none."""
    imitator: str | None = None
    """The imitator's answer."""
    target: str | None = None
    """The target's answer."""
    note: str = ""
    """Why this example is shown."""
    expected: str = ""
    """What counts as right, where something does."""
    rated: dict[str, str] = Field(default_factory=dict)
    """Role -> what is known of its answer, in a few words."""


class RowSource(_Input):
    """Rows that numbers of the page come from."""

    name: str
    """Of the port or folder."""
    rows: int
    """How many."""
    digest: str
    """Of the artifact's content; empty = no rows but a verdict's settings, which numbers may lead to."""
    href: str = ""
    """Relative address of its folder; empty = it does not lie beside the page."""


class CostLine(_Input):
    """What one part of the work took."""

    what: str
    """Whose work, in words."""
    replies: int
    """Texts that were generated."""
    tokens: int | None = None
    """Tokens generated; null where the server or file did not count them."""
    usd: float | None = None
    """Billed by a ledger; null where no price was known."""
    port: str = ""
    """Rows that this was counted in; empty = they are not kept with the verdict."""

    @classmethod
    def of(cls, what: str, replies: Iterable[Completion], usd: object = None, *, port: str = "") -> Self:
        """Count some replies.

        Args:
            what: Whose work.
            replies: Their tokens are told only where all of them were counted.
            usd: What the artifact's notes say was billed; anything but a number is unknown.
            port: The rows' port, where they are kept with the verdict.
        """
        tokens = [row.num_tokens for row in replies]
        known = [number for number in tokens if number is not None]
        return cls(
            what=what,
            replies=len(tokens),
            tokens=sum(known) if tokens and len(known) == len(tokens) else None,
            usd=float(usd) if isinstance(usd, int | float) else None,
            port=port,
        )


class SiblingLink(_Input):
    """Another verdict of the same study."""

    title: str
    """What the link says."""
    href: str
    """A relative address; anything that leaves the folder tree is printed as text, not linked."""
    verdict: str = ""
    """Its verdict word, where known."""


class ReportExtras(_Input):
    """Optional parts of report.html."""

    title: str | None = None
    """Heading of the page; the imitator's name when absent."""
    generated_at: str | None = None
    """When the page was made, as it should be printed."""
    models: dict[str, str] = Field(default_factory=dict)
    """Role to name; provenance `models` is read when absent."""
    limits: PolicyLimits | None = None
    """Lines for the figures; provenance `policy` is read when absent."""
    examples: tuple[ExampleOutput, ...] = ()
    """Answers side by side; the first twelve are shown."""
    siblings: tuple[SiblingLink, ...] = ()
    """Other verdicts of the same study."""
    course: tuple[TrainingStep, ...] = ()
    """The imitator's training, step by step; the loss is drawn."""
    sure_and_wrong: tuple[ExampleOutput, ...] = ()
    """Questions that the imitator answers wrongly and sure of it; the first twelve are shown."""
    sources: tuple[RowSource, ...] = ()
    """Rows behind the numbers."""
    command: str = ""
    """What to type to have the same verdict from these rows."""
    costs: tuple[CostLine, ...] = ()
    """What was generated, and what it cost where a ledger says so."""
    redacted: bool = False
    """Prompts and answers are replaced by their length and digest."""


class StudyEntry(_Input):
    """One arm of a study."""

    name: str
    """Short name, used in figures and columns."""
    title: str
    """The arm as a heading."""
    description: str
    """One line: what was trained on what."""
    verdict: Verdict
    """The arm's verdict."""
    href: str
    """Relative address of the arm's report.html."""


class StudyClaim(_Input):
    """A sentence the study is expected to show, and whether it did."""

    text: str
    """The claim."""
    holds: bool
    """Whether the measurements agree."""
    detail: str
    """The numbers behind the answer."""
