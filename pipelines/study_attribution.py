"""Whose hand an imitator's answers seem to be, as tasks of a study.

Asked twice: are they taken for its base's or for the target's, and can they be told from the target's at all?
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.attribution.component import attribute, prepare_attribution
from components.generate.component import embed
from pipelines.study_config import StudySettings
from pipelines.study_parts import JUDGE, Dials, Materials, part


class Attributions:
    """Adds the tasks of attribution to the pipeline being defined. Answers are artifacts of Completion rows."""

    def __init__(self, config: StudySettings, materials: Materials, dials: Dials) -> None:
        """Ask as the configuration says.

        Args:
            config: Says whether it is asked, and how.
            materials: Hold the models, of which one embeds.
            dials: What the run sets.
        """
        self._config = config
        self._materials = materials
        self._seed = dials.seed
        self.asked: list[Mapping[str, Any]] = []
        """Port of `report` -> artifact of Attribution rows, for every imitator that was asked about."""

    def ask(self, base: str, answers: Mapping[str, Any], params: Any) -> dict[str, Any]:
        """Ports of `report` that attribution fills; none where nothing is asked.

        Args:
            base: Name of the imitator's base.
            answers: Role -> what it said.
            params: Of an imitator's steps.
        """
        if self._config.attribution is None:
            return {}
        texts = prepare_attribution(**answers, params=part(params, "texts")).outputs["texts"]
        vectors = self._vectors(base, texts, params)
        found = attribute(texts=texts, **vectors, params=part(params, "attribute"), seed=self._seed)
        ports = {"attributions": found.outputs["attribution"], "told_apart": found.outputs["told_apart"]}
        self.asked.append(ports)
        return ports

    def _vectors(self, base: str, texts: Any, params: Any) -> dict[str, Any]:
        """By the judge, which wrote none of the answers, else by the base; none where both are behind servers."""
        models = self._materials.models
        checkpoint = models.get(JUDGE) or models[base]
        if checkpoint is None:
            return {}
        return {
            "embeddings": embed(texts=texts, checkpoint=checkpoint, params=part(params, "embed")).outputs["embeddings"]
        }
