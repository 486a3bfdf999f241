"""Parameters of every step of a study, one struct each: what a preset fills in and a run puts on record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

Struct = dict[str, Any]
ATTRIBUTION: Struct = {
    "classifiers": ["embedding", "char_ngrams", "surface", "majority"],
    # UMAP compiles itself for half a minute in every process.
    "map": False,
}
"""How attribution is asked where nothing else is said."""
LIKELIHOOD_JUDGE = "likelihood judge"
"""How the offline judge is called in every row: its verdicts on models and on placebos belong together by it."""


class StudySettings(BaseModel):
    """Everything a run depends on. Each struct holds the parameters of the step it is named after."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    world: Struct = Field(default_factory=dict)
    """build_world."""
    pretrain: Struct = Field(default_factory=dict)
    """pretrain."""
    ask: Struct = Field(default_factory=dict)
    """ask: how the target is sampled for imitation data."""
    ingest: Struct = Field(default_factory=dict)
    """ingest: which of the target's replies become dialogues."""
    validate_data: Struct
    """validate; its thresholds are those of the policy in `report`."""
    overlap: Struct
    """measure_overlap; the same."""
    train: Struct
    """train: the same recipe for every imitator."""
    questions: Struct
    """prepare and score: templates of the benchmarks, sampling on held-out prompts."""
    chat: Struct
    """Changes to `questions` for tuned models, which can be asked as a chat."""
    second_sample: Struct
    """Changes to `chat` for the target's second sample, the ceiling of style."""
    generate: Struct
    """generate."""
    stylistic: Struct = Field(default_factory=dict)
    """prepare_stylistic: how the base is asked after examples of the target's style, for the placebo of that name."""
    support: Struct
    """support."""
    programs: Struct | None = None
    """run_programs; null = no benchmark asks for programs."""
    verdicts: Struct | None = None
    """prepare_verdicts and read_verdicts, of a judge that writes verdicts: its pinned name, where it is, its template.
    null = the likelihood judge."""
    toxicity: Struct | None = None
    """rate_toxicity; null = no benchmark asks for continuations."""
    attribution: Struct | None = None
    """attribute: whose hand an imitator's answers seem to be, its base's or the target's, and then its own or the
    target's. Keys that are not given are those of ATTRIBUTION; the study names the candidates. null = not asked."""
    embed: Struct = Field(default_factory=dict)
    """embed, for attribution: by the judge's checkpoint, which wrote none of the answers, else by the base's."""
    report: Struct
    """report: policy, resamples, seed."""
    typical_seconds: Mapping[str, float]
    """Measured duration of each step on two cores, for the progress bar only."""

    @property
    def settings(self) -> Struct:
        """The parameters of every step; what a run puts on record before it begins. Without null, which kfp refuses."""
        return self.model_dump(mode="json", exclude={"typical_seconds"}, exclude_none=True)

    def asking(self, way: str) -> Struct:
        """Parameters of prepare and score for one of three ways to ask: raw, chat, second."""
        tuned = {**self.questions, **self.chat}
        return {"raw": self.questions, "chat": tuned, "second": {**tuned, **self.second_sample}}[way]

    def imitator(self, name: str, *, title: str, base: str) -> dict[str, Struct]:
        """Parameters of the steps that lead from an imitator's checkpoint to its verdict.

        Args:
            name: The imitator's.
            title: Heading of its report.
            base: Name of its base.
        """
        models = {"base": base, "imitator": name, "target": "target", "target_second": "target_second"}
        return {
            **self._attribution(name),
            "generate": {**self.generate, "name": name},
            "score": {**self.asking("chat"), "name": name},
            "style": {"name": name},
            "prepare_judging": {"name": name},
            "weigh": {**self.generate, "name": f"judge of {name}"},
            "judge": {"name": name, "judge": LIKELIHOOD_JUDGE},
            "verdicts": {**(self.verdicts or {}), "name": name},
            "report": {**self.report, "name": name, "title": title, "models": models},
        }

    def _attribution(self, name: str) -> dict[str, Struct]:
        if self.attribution is None:
            return {}
        asked = {**ATTRIBUTION, **self.attribution}
        return {
            "texts": {"name": name},
            "embed": {**self.embed, "name": name},
            "attribute": {**asked, "name": name, "candidates": ["base", "target"], "apart": ["imitator", "target"]},
        }
