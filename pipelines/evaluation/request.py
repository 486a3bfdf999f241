"""What a person asks of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from components.contracts.rows import PromptStyle


@dataclass(frozen=True)
class EvaluationRequest:
    """One model, what it is asked, and where the answers go."""

    out: Path
    """Folder of all artifacts; the same command continues what it finds there."""
    model: Path | None = None
    """A checkpoint: an artifact of ours, or a Hugging Face folder. Not needed by backends that ask a server."""
    name: str = ""
    """What the model is called in every row; the folder's name unless given."""
    items: Sequence[str] = ()
    """Benchmark files, each as FILE or NAME=FILE."""
    shots: Sequence[str] = ()
    """NAME=FILE: worked examples of a benchmark that brings none."""
    tasks: Sequence[Path] = ()
    """YAML files of the user's own tasks."""
    heldout: Sequence[Path] = ()
    """Files of open-ended prompts."""
    styles: Sequence[PromptStyle] = ("raw",)
    """How questions are put."""
    selection_share: float | None = None
    """Share of items set aside for choosing between two styles; 0.1 with two styles unless given."""
    limit: int | None = None
    """At most so many test items of each benchmark, drawn by hash: the same for every model."""
    base: Path | None = None
    """The base's evaluation: short answers are weighed against what the base said; this model's own unless given."""
    overlap: Path | None = None
    """What `touchstone data overlap` wrote: flags leaked items."""
    support: Path | None = None
    """A folder of Support rows."""
    scorer: Path | None = None
    """What `touchstone toxicity calibrate` wrote; the scorer that ships unless given."""
    policy: str = "study"
    """Policy file or preset; says what counts as leaked."""
    generation: Mapping[str, object] = field(default_factory=dict)
    """Parameters of the generate step: backend, server, batch size."""
    questions: Mapping[str, object] = field(default_factory=dict)
    """Parameters of prepare and score beside those above: templates, held-out sampling."""
    programs: Mapping[str, object] = field(default_factory=dict)
    """Parameters of run_programs."""
