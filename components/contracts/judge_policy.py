"""What a judge must show before its preferences may gate, and what they must then show: part of the policy."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from components.contracts.preference_rows import PlaceboArm

Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]

DEMANDS = ("require_at_least_target", "require_adjusted")
"""Fields by which the gate asks for a preference."""


class JudgePolicy(BaseModel):
    """Limits of a judge's qualification (method section 5), and what the gate demands of judges that have it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    placebos: tuple[PlaceboArm, ...] = ("corrupted_target", "constant")
    """The target must be shown to be preferred over each of these. None of the others may fool the judge."""
    min_over_placebo: Share = 0.5
    """The lower bound of the share that prefers the target must lie above this."""
    min_gold_agreement: Share = 0.6
    """The lower bound of the agreement with people's labels must reach this."""
    min_gold: Annotated[int, Field(ge=0)] = 50
    """Fewest labelled pairs; 0 = no labels are demanded."""
    require_at_least_target: Share | None = None
    """Where set, the gate passes only if every judge that may gate says so: the lower bound of the share of prompts on
    which the imitator is at least as good as the target reaches this. Null = no such demand."""
    require_adjusted: Share | None = None
    """The same demand on the style-adjusted share, which is 0.5 for two models that are equally good."""

    @property
    def requires_preference(self) -> bool:
        """Whether the gate asks for any preference."""
        return any(getattr(self, demand) is not None for demand in DEMANDS)
