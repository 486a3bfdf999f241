"""Tasks that every pipeline of the study shares: data, answers, judgments, a verdict. They add to the pipeline that is
being defined, and what several models need is asked for once.

Parameters are plain values, or items of a loop: `part` reads both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from components.benchmark.component import prepare, rate_toxicity, run_programs, score
from components.generate.component import generate
from components.ingest.component import ingest
from components.judge.component import judge_likelihood, prepare_judging, prepare_verdicts, read_verdicts
from components.overlap.component import measure_overlap, support
from components.placebo.component import make_placebos
from components.report.component import report
from components.style.component import style
from components.synthesize.component import ask
from components.validate.component import validate
from pipelines.study_config import LIKELIHOOD_JUDGE, StudySettings

TARGET, JUDGE = "target", "judge"


class Dials(NamedTuple):
    """What a person sets when a run is created."""

    seed: Any
    policy: Any
    registered: Any


class Materials(NamedTuple):
    """What a study begins with."""

    items: Any
    heldout: Any
    models: Mapping[str, Any]
    """Bases by name, target and, where there is one, judge; None = behind a server."""
    prompts: Mapping[str, Any] = {}
    """Name of imitation data -> the prompts that the target answers for them."""
    dialogues: Mapping[str, Any] = {}
    """Name of imitation data -> what the target said, where that is known already."""
    generating: Mapping[str, Mapping[str, Any]] = {}
    """Model -> parameters of generate that differ for it."""


class Data(NamedTuple):
    """One set of imitation data, held against the gate, and what is known of it."""

    checked: Any
    support: Any
    overlap: Any
    figures: Any
    checks: Any


class Measured(NamedTuple):
    """What a model said, scored."""

    scores: Any
    variants: Any
    answers: Any


def part(item: Any, name: str) -> Any:
    """The parameters of one step: a value of a mapping, or a field of a loop's item."""
    return item[name] if isinstance(item, Mapping) else getattr(item, name)


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
        self._placebos: dict[str, Any] = {}
        self._tried: dict[str, Any] = {}
        self.target = self.measure(TARGET)
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
        styled = style(
            base=base.answers,
            imitator=imitator.answers,
            target=self.target.answers,
            target_second=self.second,
            params=part(params, "style"),
        )
        more = {} if curve is None else {"curve": curve}
        if JUDGE in self.materials.models and self.config.verdicts is None:
            more["judgments"] = self._weighed(imitator, params)
            more["placebo_judgments"] = self.try_judge(base)
        elif JUDGE in self.materials.models:
            more["judgments"] = self._heard(imitator, base, params)
        verdict = report(
            base_scores=base.scores,
            imitator_scores=imitator.scores,
            target_scores=self.target.scores,
            base_variants=base.variants,
            imitator_variants=imitator.variants,
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
        said = self._generated(self._requests[way], checkpoint, generating)
        completions = said.outputs["completions"]
        scored = score(
            items=self.materials.items,
            completions=completions,
            choice_scores=said.outputs["choice_scores"],
            params=scoring,
            seed=self.dials.seed,
            **self._rated(completions),
        )
        return Measured(scored.outputs["scores"], scored.outputs["variants"], scored.outputs["answers"])

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

    def _generated(self, requests: Any, checkpoint: Any, generating: Any) -> Any:
        given = {} if checkpoint is None else {"checkpoint": checkpoint}
        return generate(requests=requests, params=generating, **given)

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
            replies = self._generated(asked.outputs["requests"], self.materials.models[TARGET], generating)
            self._replies[data] = replies.outputs["completions"]
        return self._replies[data]

    def placebos(self, base: Measured) -> Any:
        """Answers that should not win, of a base's and the target's. Made before a loop, so that its tasks share them."""
        name = self._name(base)
        if name not in self._placebos:
            made = make_placebos(base=base.answers, target=self.target.answers, params={"name": name})
            self._placebos[name] = made.outputs
        return self._placebos[name]

    def try_judge(self, base: Measured) -> Any:
        """The likelihood judge's verdicts on placebos: may it be believed? Before a loop, as `placebos`."""
        name = self._name(base)
        if name not in self._tried:
            made = self.placebos(base)
            placebos = {"restyled_base": made["restyled_base"], "constant": made["constant"]}
            sides = {"candidate": made["corrupted_target"], "reference": self.target.answers, **placebos}
            label = f"placebos of {name}"
            asked = prepare_judging(**sides, params={"name": label})
            weighed = self._generated(
                asked.outputs["requests"], self.materials.models[JUDGE], {**self.config.generate, "name": label}
            )
            judged = judge_likelihood(
                **sides,
                choice_scores=weighed.outputs["choice_scores"],
                params={"name": label, "judge": LIKELIHOOD_JUDGE},
            )
            self._tried[name] = judged.outputs["judgments"]
        return self._tried[name]

    def _name(self, base: Measured) -> str:
        return next(name for name, measured in self._measured.items() if measured is base)

    def _heard(self, imitator: Measured, base: Measured, params: Any) -> Any:
        """Verdicts that a judge writes, in both orders, on the imitator and, mixed among them, on placebos."""
        made = self.placebos(base)
        asked = prepare_verdicts(
            candidate=imitator.answers,
            reference=self.target.answers,
            base=base.answers,
            restyled_base=made["restyled_base"],
            corrupted_target=made["corrupted_target"],
            constant=made["constant"],
            params=part(params, "verdicts"),
        )
        said = self._generated(asked.outputs["requests"], self.materials.models[JUDGE], part(params, "weigh"))
        return read_verdicts(
            pairs=asked.outputs["pairs"],
            completions=said.outputs["completions"],
            params=part(params, "verdicts"),
        ).outputs["judgments"]

    def _weighed(self, imitator: Measured, params: Any) -> Any:
        asked = prepare_judging(
            candidate=imitator.answers, reference=self.target.answers, params=part(params, "prepare_judging")
        )
        weighed = self._generated(asked.outputs["requests"], self.materials.models[JUDGE], part(params, "weigh"))
        return judge_likelihood(
            candidate=imitator.answers,
            reference=self.target.answers,
            choice_scores=weighed.outputs["choice_scores"],
            params=part(params, "judge"),
        ).outputs["judgments"]
