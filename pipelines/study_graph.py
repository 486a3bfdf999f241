"""Tasks that every pipeline of the study shares: data, answers, a verdict. They add to the pipeline that is being
defined, and what several models need is asked for once.

Parameters are plain values, or items of a loop: `part` reads both.
"""

from __future__ import annotations

from typing import Any

from components.benchmark.component import prepare, rate_toxicity, run_programs, score
from components.ingest.component import ingest
from components.overlap.component import measure_overlap, support
from components.report.component import report
from components.style.component import rate_tone, style
from components.synthesize.component import ask
from components.validate.component import validate
from pipelines.study_attribution import Attributions
from pipelines.study_config import StudySettings
from pipelines.study_judges import Judges
from pipelines.study_parts import TARGET, Data, Dials, Materials, Measured, generated, part


class StudyGraph:
    """Adds tasks to the pipeline being defined, and remembers those that several models share."""

    def __init__(self, config: StudySettings, materials: Materials, dials: Dials) -> None:
        """Ask the target, on whose answers everything hangs.

        Args:
            config: Parameters of every step.
            materials: What there is before the study.
            dials: What the run sets.
        """
        self.config = config
        self.dials = dials
        self.materials = materials
        self._requests = {way: self._asked(way) for way in ("raw", "chat", "second")}
        self._measured: dict[str, Measured] = {}
        self._data: dict[tuple[str, float], Data] = {}
        self._replies: dict[str, Any] = {}
        self.target = self.measure(TARGET)
        self.attributions = Attributions(config, materials, dials)
        self.judges = Judges(config, materials, dials, self.target.answers)
        self.second = self._answer("target_second", self.materials.models[TARGET], "second").answers

    def measure(self, model: str) -> Measured:
        """Answers and scores of a model that the study begins with."""
        if model not in self._measured:
            way = "chat" if model == TARGET else "raw"
            self._measured[model] = self._answer(model, self.materials.models[model], way)
        return self._measured[model]

    def imitation_data(self, data: str, share: float = 1.0) -> Data:
        """The target's replies as validated dialogues, and how near they come to what is asked later."""
        if (data, share) not in self._data:
            self._data[data, share] = self._gated(data, share)
        return self._data[data, share]

    def decide(
        self, checkpoint: Any, base: Measured, data: Data, params: Any, curve: Any = None
    ) -> tuple[Any, Measured]:
        """One imitator, from checkpoint to verdict.

        Args:
            checkpoint: The imitator.
            base: What its base said.
            data: What it learned from.
            params: Of an imitator's steps, see `StudySettings.imitator`; or a loop's item with these fields.
            curve: The course of its training, where there was one of its own.
        """
        imitator = self.answered(checkpoint, "chat", part(params, "generate"), part(params, "score"))
        said = {
            "base": base.answers,
            "imitator": imitator.answers,
            "target": self.target.answers,
            "target_second": self.second,
        }
        styled = style(**said, params=part(params, "style"))
        more = {} if curve is None else {"curve": curve}
        more |= self.judges.hear(self._name(base), base.answers, imitator.answers, params)
        more |= self.attributions.ask(self._name(base), said, params)
        verdict = report(
            base_scores=base.scores,
            imitator_scores=imitator.scores,
            target_scores=self.target.scores,
            base_variants=base.variants,
            imitator_variants=imitator.variants,
            base_tones=base.tones,
            imitator_tones=imitator.tones,
            target_tones=self.target.tones,
            base_replies=base.completions,
            imitator_replies=imitator.completions,
            target_replies=self.target.completions,
            items=self.materials.items,
            profiles=styled.outputs["profiles"],
            features=styled.outputs["features"],
            support=data.support,
            figures=data.figures,
            checks=data.checks,
            overlap=data.overlap,
            registered=self.dials.registered,
            params=part(params, "report"),
            seed=self.dials.seed,
            policy=self.dials.policy,
            **more,
        )
        return verdict.outputs["result"], imitator

    def answered(self, checkpoint: Any, way: str, generating: Any, scoring: Any) -> Measured:
        """Ask a model in one of three ways (raw, chat, second), and score what it says."""
        said = generated(self._requests[way], checkpoint, generating)
        completions = said.outputs["completions"]
        scored = score(
            items=self.materials.items,
            completions=completions,
            choice_scores=said.outputs["choice_scores"],
            params=scoring,
            seed=self.dials.seed,
            **self._rated(completions),
        )
        toned = rate_tone(scores=scored.outputs["scores"], completions=completions)
        made = scored.outputs
        return Measured(made["scores"], made["variants"], made["answers"], completions, toned.outputs["tones"])

    def _rated(self, completions: Any) -> dict[str, Any]:
        """What beside answers a score needs: programs that were run, and toxicity."""
        found = {}
        if self.config.programs is not None:
            ran = run_programs(items=self.materials.items, completions=completions, params=self.config.programs)
            found["outcomes"] = ran.outputs["outcomes"]
        if self.config.toxicity is not None:
            rated = rate_toxicity(completions=completions, params=self.config.toxicity)
            found["ratings"] = rated.outputs["ratings"]
        return found

    def _answer(self, name: str, checkpoint: Any, way: str) -> Measured:
        own = self.materials.generating.get(TARGET if name.startswith(TARGET) else name, {})
        generating = {**self.config.generate, **own, "name": name}
        return self.answered(checkpoint, way, generating, {**self.config.asking(way), "name": name})

    def _asked(self, way: str) -> Any:
        return prepare(
            items=self.materials.items,
            heldout=self.materials.heldout,
            params={**self.config.asking(way), "name": way},
            seed=self.dials.seed,
        ).outputs["requests"]

    def _gated(self, data: str, share: float) -> Data:
        name = data if share == 1 else f"{data}-{share:g}"
        items, heldout = self.materials.items, self.materials.heldout
        rules = {"name": name, "policy": self.config.report.get("policy", {})}
        dialogues, removed = self._dialogues(data, name, share)
        searched = measure_overlap(
            dialogues=dialogues,
            items=items,
            heldout=heldout,
            params={**self.config.overlap, **rules},
            policy=self.dials.policy,
        )
        held = validate(
            dialogues=dialogues,
            items=items,
            # A prompt that the data repeat is left out of the comparison; what is left must not be repeated.
            heldout=searched.outputs["clean_heldout"],
            overlap=searched.outputs["overlap"],
            neighbours=searched.outputs["neighbours"],
            params={**self.config.validate_data, **rules},
            seed=self.dials.seed,
            policy=self.dials.policy,
            **removed,
        )
        covered = support(
            dialogues=held.outputs["checked"],
            items=items,
            params={**self.config.support, "name": name},
            seed=self.dials.seed,
        )
        return Data(
            checked=held.outputs["checked"],
            support=covered.outputs["support"],
            overlap=searched.outputs["overlap"],
            figures=held.outputs["figures"],
            checks=held.outputs["checks"],
        )

    def _dialogues(self, data: str, name: str, share: float) -> tuple[Any, dict[str, Any]]:
        """Imitation data, and what was left out of them where that is known."""
        if data in self.materials.dialogues:
            return self.materials.dialogues[data], {}
        taken = ingest(
            replies=self._sampled(data),
            params={**self.config.ingest, "name": name, "source": data, "share": share},
        )
        return taken.outputs["dialogues"], {"removed": taken.outputs["removed"]}

    def _sampled(self, data: str) -> Any:
        if data not in self._replies:
            prompts = self.materials.prompts[data]
            asked = ask(prompts=prompts, params={**self.config.ask, "name": data}, seed=self.dials.seed)
            generating = {**self.config.generate, **self.materials.generating.get(TARGET, {}), "name": f"target-{data}"}
            replies = generated(asked.outputs["requests"], self.materials.models[TARGET], generating)
            self._replies[data] = replies.outputs["completions"]
        return self._replies[data]

    def ready_for_loop(self, base: Measured) -> None:
        """Make what all imitators of a base share, so that it does not become part of a loop over them."""
        self.judges.ready(self._name(base), base.answers)

    def _name(self, base: Measured) -> str:
        return next(name for name, measured in self._measured.items() if measured is base)
