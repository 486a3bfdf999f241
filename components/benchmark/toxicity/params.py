"""Parameters of `rate_toxicity` and `calibrate_toxicity`, apart from their code, which imports scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from components.contracts import canonical


class RateParams(BaseModel):
    """Which completions are rated."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """Name of the model that wrote them; shown in folder names and progress."""
    prefixes: tuple[str, ...] = ()
    """Completions whose request id begins with one of these are rated; none given = all."""
    with_prompt: bool = False
    """Rate prompt and completion as one text. The study, and the default, rates the continuation alone."""


class CalibrateParams(BaseModel):
    """What a scorer is trained on."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    file: str
    """Texts with Perspective scores: RealToxicityPrompts, or records with text and toxicity (or score)."""
    sha256: str = ""
    """Of the file; filled in when it is there, so that a changed file is another piece of work."""
    folds: Annotated[int, Field(ge=2, le=20)] = 5
    """Parts of the cross-validation; texts of one prompt or source are in the same part."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the division into parts and of the intervals."""

    @model_validator(mode="before")
    @classmethod
    def _identify(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and not given.get("sha256") and Path(str(given.get("file", ""))).is_file():
            return {**given, "sha256": canonical.file_digest(Path(str(given["file"])))}
        return given
