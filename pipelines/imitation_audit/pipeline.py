"""The study as a graph: one world, two bases, one target, four imitators, one comparison."""

from typing import Any, NamedTuple

from kfp import dsl

from components.benchmark.component import prepare, score
from components.generate.component import generate
from components.ingest.component import ingest
from components.judge.component import judge_likelihood, prepare_judging
from components.report.component import compare, report
from components.style.component import style
from components.synthesize.component import ask
from components.train.component import pretrain, train
from components.validate.component import support, validate
from components.world.component import build_world
from pipelines.imitation_audit.presets import Arm, StudyConfig


class Measured(NamedTuple):
    """What a model said, scored."""

    scores: Any
    answers: Any


def build(config: StudyConfig) -> Any:
    """The pipeline of a configuration: every constant in it comes from `config`."""

    @dsl.pipeline(name="imitation-audit", description="Did imitation bring capability, or only style?")
    def imitation_audit() -> dsl.Artifact:
        world = build_world(params=config.world).set_display_name("world")
        models = pretrain(
            corpus_small=world.outputs["corpus_small"],
            corpus_large=world.outputs["corpus_large"],
            corpus_target=world.outputs["corpus_target"],
            corpus_judge=world.outputs["corpus_judge"],
            tuning=world.outputs["tuning"],
            params=config.pretrain,
        )
        study = _Study(config, world, models)
        arms = {arm.name: study.arm(arm) for arm in config.arms}
        compared = compare(
            **{name: verdict for name, (verdict, _) in arms.items()},
            **{f"{name}_scores": arms[name][1].scores for name in ("broad", "broad_less", "larger_base")},
            params=config.compare,
        )
        return compared.outputs["study"]

    return imitation_audit


class _Study:
    """Adds tasks to the pipeline being defined, and remembers those that several arms share."""

    def __init__(self, config: StudyConfig, world: Any, models: Any) -> None:
        self.config = config
        self.world = world
        self.models = models
        self.questions = prepare(
            items=world.outputs["items"], heldout=world.outputs["heldout"], params=config.prepare
        ).outputs["requests"]
        self._measured: dict[str, Measured] = {}
        self._data: dict[tuple[str, float], Any] = {}
        self._replies: dict[str, Any] = {}
        self.target = self.measure("target")
        self.second = self._second_sample()

    def measure(self, model: str) -> Measured:
        """Answers and scores of a pre-trained model."""
        if model not in self._measured:
            self._measured[model] = self._answer(model, self.models.outputs[model], self.questions)
        return self._measured[model]

    def arm(self, arm: Arm) -> tuple[Any, Measured]:
        """One imitator, from data to verdict."""
        checked = self._imitation_data(arm)
        base = self.measure(arm.base)
        trained = train(
            dialogues=checked, base=self.models.outputs[arm.base], params={**self.config.train, "name": arm.name}
        )
        imitator = self._answer(arm.name, trained.outputs["checkpoint"], self.questions)
        styled = style(
            base=base.answers,
            imitator=imitator.answers,
            target=self.target.answers,
            target_second=self.second,
            params={},
        )
        covered = support(dialogues=checked, items=self.world.outputs["items"], params=self.config.support)
        judged = self._judge(imitator)
        verdict = report(
            base_scores=base.scores,
            imitator_scores=imitator.scores,
            target_scores=self.target.scores,
            profiles=styled.outputs["profiles"],
            judgments=judged,
            support=covered.outputs["support"],
            params={**self.config.report, "name": arm.name, "title": arm.title, "models": arm.models},
        )
        return verdict.outputs["result"], imitator

    def _imitation_data(self, arm: Arm) -> Any:
        key = (arm.data, arm.share)
        if key not in self._data:
            if arm.data not in self._replies:
                asked = ask(
                    prompts=self.world.outputs[f"{arm.data}_prompts"], params={**self.config.ask, "name": arm.data}
                )
                sampled = self._generate(f"target-{arm.data}", self.models.outputs["target"], asked.outputs["requests"])
                self._replies[arm.data] = sampled.outputs["completions"]
            name = arm.data if arm.share == 1 else f"{arm.data}-{arm.share:g}"
            taken = ingest(
                replies=self._replies[arm.data],
                params={"name": name, "source": arm.data, "share": arm.share},
            )
            held = validate(
                dialogues=taken.outputs["dialogues"],
                items=self.world.outputs["items"],
                heldout=self.world.outputs["heldout"],
                params={**self.config.validate_data, "name": name},
            )
            self._data[key] = held.outputs["checked"]
        return self._data[key]

    def _second_sample(self) -> Any:
        again = prepare(
            items=self.world.outputs["items"],
            heldout=self.world.outputs["heldout"],
            params={**self.config.prepare, **self.config.second_sample},
        )
        return self._answer("target_second", self.models.outputs["target"], again.outputs["requests"]).answers

    def _answer(self, name: str, checkpoint: Any, requests: Any) -> Measured:
        said = self._generate(name, checkpoint, requests)
        scored = score(
            items=self.world.outputs["items"],
            completions=said.outputs["completions"],
            choice_scores=said.outputs["choice_scores"],
            params={**self.config.score, "name": name},
        )
        return Measured(scored.outputs["scores"], scored.outputs["answers"])

    def _generate(self, name: str, checkpoint: Any, requests: Any) -> Any:
        return generate(requests=requests, checkpoint=checkpoint, params={**self.config.generate, "name": name})

    def _judge(self, imitator: Measured) -> Any:
        asked = prepare_judging(candidate=imitator.answers, reference=self.target.answers, params={})
        weighed = self._generate("judge", self.models.outputs["judge"], asked.outputs["requests"])
        return judge_likelihood(
            candidate=imitator.answers,
            reference=self.target.answers,
            choice_scores=weighed.outputs["choice_scores"],
            params={},
        ).outputs["judgments"]
