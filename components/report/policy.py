"""The rules of a verdict as data: a frozen model, YAML presets, and a loader that says which key is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from components.contracts import canonical
from components.contracts.data_policy import DataPolicy
from components.contracts.errors import UsageError
from components.contracts.judge_policy import JudgePolicy
from components.contracts.verdict import PolicyRef, VerdictWord

PRESET_FOLDER = Path(__file__).parent / "policies"
EVERY_BENCHMARK = "*"
Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]


class Policy(BaseModel):
    """Which numbers make which verdict. Its digest is recorded before anything is trained or scored."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = "study"
    """Preset or file name; not part of the digest."""
    alpha: Annotated[float, Field(gt=0.0, le=0.5)] = 0.05
    """Intervals are two-sided at 1 - alpha; one-sided tests are made at alpha / 2."""
    capability_gap_closed: Annotated[float, Field(gt=0.0, le=1.0)] = 0.25
    """Share of the base-to-target gap from which a gain counts as capability."""
    negligible_gap_closed: Annotated[float, Field(gt=0.0, le=1.0)] = 0.20
    """An upper bound of the gap closed below this counts as nothing."""
    style_captured: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    """Style counts as captured when the lower bound of closeness reaches this."""
    regression_margin: Share = 0.01
    """A loss within this margin is no regression."""
    critical_tolerance: Share | None = None
    """Where set, the lower bound of every critical change must stay above minus this."""
    critical: tuple[str, ...] = ()
    """Benchmarks that must not regress; `*` = every one measured."""
    max_unscored: Share = 0.02
    """A benchmark with a larger share of unscored items is unusable."""
    supported_at: Share = 0.25
    """Mean support from which a benchmark counts as covered by the imitation data."""
    require: tuple[VerdictWord, ...] = ()
    """Verdicts that pass the gate; empty = the gate always passes."""
    require_support: bool = False
    """Without known support CAPABILITY becomes INCONCLUSIVE."""
    behaviour: tuple[str, ...] = ("realtoxicityprompts", "toxicity")
    """Benchmarks whose gap imitation closes by style, in neither set; a name matches when its letters begin so."""

    data: DataPolicy = DataPolicy()
    """Thresholds of the data-quality gate."""
    judges: JudgePolicy = JudgePolicy()
    """What a judge must show before its preferences may gate."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        """Limits that contradict each other are refused: no data could meet them."""
        tolerance = self.critical_tolerance
        problems = {
            f"negligible_gap_closed {self.negligible_gap_closed:g} must not exceed capability_gap_closed"
            f" {self.capability_gap_closed:g}: the same gap would be nothing and capability": (
                self.negligible_gap_closed > self.capability_gap_closed
            ),
            f"critical_tolerance {tolerance} must not be below regression_margin {self.regression_margin:g}: a loss"
            " within the margin is none, yet would have to be excluded": tolerance is not None
            and tolerance < self.regression_margin,
            "critical_tolerance needs critical benchmarks; name them, or '*'": tolerance is not None
            and not self.critical,
            "supported_at 0 calls every benchmark covered, so the CAPABILITY that require demands could never come"
            " out": self.supported_at == 0 and self.require == ("CAPABILITY",),
            "behaviour names benchmarks by their letters; a name without any says nothing": not all(
                map(_letters, self.behaviour)
            ),
        }
        if any(problems.values()):
            raise ValueError("; ".join(problem for problem, found in problems.items() if found))
        return self

    @property
    def digest(self) -> str:
        """sha256 of the rules' canonical JSON; the name does not matter."""
        return canonical.digest(self.model_dump(mode="json", exclude={"name"}))

    @property
    def ref(self) -> PolicyRef:
        """How a verdict refers to this policy."""
        return PolicyRef(name=self.name, digest=self.digest)

    def is_critical(self, benchmark: str) -> bool:
        """Whether a benchmark must not regress."""
        return EVERY_BENCHMARK in self.critical or benchmark in self.critical

    def is_behaviour(self, benchmark: str) -> bool:
        """Whether a benchmark measures behaviour rather than capability (method section 6)."""
        name = _letters(benchmark)
        return any(name.startswith(_letters(prefix)) for prefix in self.behaviour if _letters(prefix))


def _letters(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalpha())


def preset_names() -> tuple[str, ...]:
    """Names of the policies that ship with Touchstone."""
    return tuple(sorted(path.stem for path in PRESET_FOLDER.glob("*.yaml")))


def load_policy(source: str | Path) -> Policy:
    """A policy by preset name, or from a YAML file; keys that a file leaves out are those of `study`.

    Raises:
        UsageError: no such preset or file, not YAML, an unknown key or an impossible value; file and key are named.
    """
    from components.contracts.yaml_documents import parse_mapping  # here: `touchstone --help` does not pay for it

    path = PRESET_FOLDER / f"{source}.yaml" if str(source) in preset_names() else Path(source)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UsageError(
            f"cannot read policy {source}: {why}",
            expected=f"a YAML file, or one of the presets {', '.join(preset_names())}",
            remedy="give --policy a preset name or the path of a policy file",
        ) from error
    return policy_from(parse_mapping(path, text), where=str(path), name=path.stem)


def policy_from(values: Mapping[str, object], *, where: str, name: str | None = None) -> Policy:
    """A policy from the keys of a mapping (a policy file, or the `policy:` part of an audit.yaml).

    Args:
        values: Policy fields; those left out are those of `study`.
        where: File name for error messages.
        name: What to call the policy unless `values` says.

    Raises:
        UsageError: an unknown key or an impossible value.
    """
    accepted = tuple(field for field in Policy.model_fields if field != "name")
    for key in values:
        if key not in Policy.model_fields:
            close = difflib.get_close_matches(str(key), accepted, 1)
            raise UsageError(
                f"{where}: unknown key {key}" + (f"; did you mean {close[0]}?" if close else ""),
                expected=", ".join(accepted),
                remedy=f"correct or remove {key}",
            )
    try:
        return Policy.model_validate({**({"name": name} if name else {}), **values})
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'policy'}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        )
        raise UsageError(f"{where}: {problems}", remedy="correct the value") from error
