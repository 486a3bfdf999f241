"""What a judge must show before its preferences may gate: part of the policy."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from components.contracts.preference_rows import PlaceboArm

Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]


class JudgePolicy(BaseModel):
    """Limits of a judge's qualification (method section 5)."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    placebos: tuple[PlaceboArm, ...] = ("corrupted_target", "constant")
    """The target must be shown to be preferred over each of these. None of the others may fool the judge."""
    min_over_placebo: Share = 0.5
    """The lower bound of the share that prefers the target must lie above this."""
    min_gold_agreement: Share = 0.6
    """The lower bound of the agreement with people's labels must reach this."""
    min_gold: Annotated[int, Field(ge=0)] = 50
    """Fewest labelled pairs; 0 = no labels are demanded."""
