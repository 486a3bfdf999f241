"""Judges in a study's graph: who is preferred to the target, and whether the judge sees through placebos.

A judge that weighs likelihoods is tried on placebos once for each base; one that writes verdicts meets them among the
answers of every imitator, unnamed.
"""

from __future__ import annotations

from typing import Any

from components.judge.component import judge_likelihood, prepare_judging, prepare_verdicts, read_verdicts
from components.placebo.component import make_placebos, prepare_stylistic
from pipelines.study_config import LIKELIHOOD_JUDGE, StudySettings
from pipelines.study_parts import JUDGE, Dials, Materials, generated, part


class Judges:
    """Adds the tasks of judging to the pipeline being defined. Answers are artifacts of Completion rows."""

    def __init__(self, config: StudySettings, materials: Materials, dials: Dials, target: Any) -> None:
        """Judge against one target.

        Args:
            config: Says which kind of judge there is, and how it generates.
            materials: Hold the judge, if there is one.
            dials: What the run sets.
            target: Its answers.
        """
        self._config = config
        self._dials = dials
        self._materials = materials
        self._target = target
        self._placebos: dict[str, Any] = {}
        self._tried: dict[str, Any] = {}

    def ready(self, base: str, answers: Any) -> None:
        """Make what several imitators of a base share. To be called before a loop over them, whose tasks it is not.

        Args:
            base: Its name.
            answers: Its answers.
        """
        if JUDGE not in self._materials.models or base in self._placebos:
            return
        made = make_placebos(
            base=answers, target=self._target, stylistic=self._after_examples(base), params={"name": base}
        )
        self._placebos[base] = made.outputs
        if self._config.verdicts is None:
            self._tried[base] = self._on_placebos(base, answers)

    def hear(self, base: str, base_answers: Any, imitator: Any, params: Any) -> dict[str, Any]:
        """Ports of `report` that a judge fills; none without a judge.

        Args:
            base: Name of the imitator's base.
            base_answers: What it said.
            imitator: What the imitator said.
            params: Of an imitator's steps.
        """
        if JUDGE not in self._materials.models:
            return {}
        self.ready(base, base_answers)
        if self._config.verdicts is not None:
            return {"judgments": self._verdicts(base, base_answers, imitator, params)}
        return {"judgments": self._weighed(imitator, params), "placebo_judgments": self._tried[base]}

    def _after_examples(self, base: str) -> Any:
        """What the base answers after examples of the target's style, on prompts that are no examples."""
        asked = prepare_stylistic(
            prompts=self._materials.heldout,
            target=self._target,
            params={**self._config.stylistic, "name": base},
            seed=self._dials.seed,
        )
        own = self._materials.generating.get(base, {})
        generating = {**self._config.generate, **own, "name": f"stylistic-{base}"}
        said = generated(asked.outputs["requests"], self._materials.models[base], generating)
        return said.outputs["completions"]

    def _on_placebos(self, base: str, answers: Any) -> Any:
        """All of them beside the target, and what was only restyled beside the base, which says the same."""
        made = self._placebos[base]
        placebos = {arm: made[arm] for arm in ("restyled_base", "stylistic_base", "constant")}
        sides = {"candidate": made["corrupted_target"], "reference": self._target, "base": answers, **placebos}
        label = f"placebos of {base}"
        asked = prepare_judging(**sides, params={"name": label})
        generating = {**self._config.generate, "name": label}
        weighed = generated(asked.outputs["requests"], self._materials.models[JUDGE], generating)
        return judge_likelihood(
            **sides,
            choice_scores=weighed.outputs["choice_scores"],
            params={"name": label, "judge": LIKELIHOOD_JUDGE},
        ).outputs["judgments"]

    def _weighed(self, imitator: Any, params: Any) -> Any:
        sides = {"candidate": imitator, "reference": self._target}
        asked = prepare_judging(**sides, params=part(params, "prepare_judging"))
        weighed = generated(asked.outputs["requests"], self._materials.models[JUDGE], part(params, "weigh"))
        return judge_likelihood(
            **sides,
            choice_scores=weighed.outputs["choice_scores"],
            params=part(params, "judge"),
        ).outputs["judgments"]

    def _verdicts(self, base: str, base_answers: Any, imitator: Any, params: Any) -> Any:
        made = self._placebos[base]
        asked = prepare_verdicts(
            candidate=imitator,
            reference=self._target,
            base=base_answers,
            restyled_base=made["restyled_base"],
            stylistic_base=made["stylistic_base"],
            corrupted_target=made["corrupted_target"],
            constant=made["constant"],
            params=part(params, "verdicts"),
        )
        said = generated(asked.outputs["requests"], self._materials.models[JUDGE], part(params, "weigh"))
        return read_verdicts(
            pairs=asked.outputs["pairs"],
            completions=said.outputs["completions"],
            params=part(params, "verdicts"),
        ).outputs["judgments"]
