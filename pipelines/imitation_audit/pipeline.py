"""The study as a graph: one world, two bases, one target, four imitators, one comparison."""

from typing import Any, NamedTuple

from kfp import dsl

from components.benchmark.component import prepare, score
from components.generate.component import generate
from components.ingest.component import ingest
from components.judge.component import judge_likelihood, prepare_judging
from components.overlap.component import measure_overlap, support
from components.report.component import compare, register, report
from components.style.component import style
from components.synthesize.component import ask
from components.train.component import pretrain, train
from components.validate.component import validate
from components.world.component import build_world
from pipelines.cluster.placement import Placement, label_tasks
from pipelines.imitation_audit.presets import Arm, StudyConfig

NAME = "imitation_audit"


class Dials(NamedTuple):
    """What a person sets when a run is created."""

    seed: Any
    policy: Any
    registered: Any


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


def build(config: StudyConfig, placement: Placement | None = None) -> Any:
    """The pipeline of a configuration: every constant in it comes from `config`.

    Args:
        config: Parameters of every step.
        placement: Where tasks run on a cluster; None = nothing is asked for (a laptop).
    """

    @dsl.pipeline(name="imitation-audit", description="Did imitation bring capability, or only style?")
    def imitation_audit(seed: int = 0, policy: dict = {}) -> dsl.Artifact:  # noqa: B006 - kfp wants a literal
        """The study in one run.

        Args:
            seed: Added to the preset's seeds: another world, other models, other samples.
            policy: Keys of the policy that differ from the preset's, such as {"alpha": 0.01}.
        """
        declared = {"pipeline": NAME, "policy": config.report.get("policy", {}), "settings": config.settings}
        record = register(params=declared, seed=seed, policy=policy)
        world = build_world(params=config.world, seed=seed).after(record)
        models = pretrain(
            corpus_small=world.outputs["corpus_small"],
            corpus_large=world.outputs["corpus_large"],
            corpus_target=world.outputs["corpus_target"],
            corpus_judge=world.outputs["corpus_judge"],
            tuning=world.outputs["tuning"],
            params=config.pretrain,
            seed=seed,
        )
        study = _Study(config, world, models, Dials(seed, policy, record.outputs["registered"]))
        arms = {arm.name: study.arm(arm) for arm in config.arms}
        compared = compare(
            **{name: verdict for name, (verdict, _) in arms.items()},
            **{f"{name}_scores": arms[name][1].scores for name in ("broad", "broad_less", "larger_base")},
            params=config.compare,
        )
        # Quick to make again, and what it finds in the store names the run's report.
        compared.set_caching_options(enable_caching=False)
        label_tasks()
        if placement is not None:
            placement.apply_to_current_pipeline()
        return compared.outputs["study"]

    return imitation_audit


class _Study:
    """Adds tasks to the pipeline being defined, and remembers those that several arms share."""

    def __init__(self, config: StudyConfig, world: Any, models: Any, dials: Dials) -> None:
        self.config = config
        self.dials = dials
        self.world = world
        self.models = models
        self._requests: dict[str, Any] = {}
        self._measured: dict[str, Measured] = {}
        self._data: dict[str, Data] = {}
        self._replies: dict[str, Any] = {}
        self.target = self.measure("target")
        self.second = self._second_sample()

    def measure(self, model: str) -> Measured:
        """Answers and scores of a pre-trained model."""
        if model not in self._measured:
            tuned = model == "target"
            self._measured[model] = self._answer(model, self.models.outputs[model], "chat" if tuned else "raw")
        return self._measured[model]

    def arm(self, arm: Arm) -> tuple[Any, Measured]:
        """One imitator, from data to verdict."""
        data = self._imitation_data(arm)
        base = self.measure(arm.base)
        trained = train(
            dialogues=data.checked,
            base=self.models.outputs[arm.base],
            params={**self.config.train, "name": arm.name},
            seed=self.dials.seed,
        )
        imitator = self._answer(arm.name, trained.outputs["checkpoint"], "chat")
        styled = style(
            base=base.answers,
            imitator=imitator.answers,
            target=self.target.answers,
            target_second=self.second,
            params={"name": arm.name},
        )
        judged = self._judge(arm.name, imitator)
        verdict = report(
            base_scores=base.scores,
            imitator_scores=imitator.scores,
            target_scores=self.target.scores,
            base_variants=base.variants,
            imitator_variants=imitator.variants,
            profiles=styled.outputs["profiles"],
            judgments=judged,
            support=data.support,
            figures=data.figures,
            checks=data.checks,
            overlap=data.overlap,
            registered=self.dials.registered,
            params={**self.config.report, "name": arm.name, "title": arm.title, "models": arm.models},
            seed=self.dials.seed,
            policy=self.dials.policy,
        )
        return verdict.outputs["result"], imitator

    def _imitation_data(self, arm: Arm) -> Data:
        """The target's replies as validated dialogues, and how near they come to what is asked later."""
        name = arm.data if arm.share == 1 else f"{arm.data}-{arm.share:g}"
        if name not in self._data:
            items, heldout = self.world.outputs["items"], self.world.outputs["heldout"]
            rules = {"name": name, "policy": self.config.report.get("policy", {})}
            taken = ingest(
                replies=self._sampled(arm.data),
                params={**self.config.ingest, "name": name, "source": arm.data, "share": arm.share},
            )
            searched = measure_overlap(
                dialogues=taken.outputs["dialogues"],
                items=items,
                heldout=heldout,
                params={**self.config.overlap, **rules},
                policy=self.dials.policy,
            )
            held = validate(
                dialogues=taken.outputs["dialogues"],
                items=items,
                # A prompt that the data repeat is left out of the comparison; what is left must not be repeated.
                heldout=searched.outputs["clean_heldout"],
                removed=taken.outputs["removed"],
                overlap=searched.outputs["overlap"],
                neighbours=searched.outputs["neighbours"],
                params={**self.config.validate_data, **rules},
                seed=self.dials.seed,
                policy=self.dials.policy,
            )
            covered = support(
                dialogues=held.outputs["checked"],
                items=items,
                params={**self.config.support, "name": name},
                seed=self.dials.seed,
            )
            self._data[name] = Data(
                checked=held.outputs["checked"],
                support=covered.outputs["support"],
                overlap=searched.outputs["overlap"],
                figures=held.outputs["figures"],
                checks=held.outputs["checks"],
            )
        return self._data[name]

    def _sampled(self, data: str) -> Any:
        if data not in self._replies:
            prompts = self.world.outputs[f"{data}_prompts"]
            asked = ask(prompts=prompts, params={**self.config.ask, "name": data}, seed=self.dials.seed)
            replies = self._generate(f"target-{data}", self.models.outputs["target"], asked.outputs["requests"])
            self._replies[data] = replies.outputs["completions"]
        return self._replies[data]

    def _second_sample(self) -> Any:
        return self._answer("target_second", self.models.outputs["target"], "second").answers

    def _answer(self, name: str, checkpoint: Any, way: str) -> Measured:
        """Ask a model in one of three ways (raw, chat, second), and score what it says."""
        asking = self._asking(way)
        if way not in self._requests:
            self._requests[way] = prepare(
                items=self.world.outputs["items"],
                heldout=self.world.outputs["heldout"],
                params={**asking, "name": way},
                seed=self.dials.seed,
            ).outputs["requests"]
        said = self._generate(name, checkpoint, self._requests[way])
        scored = score(
            items=self.world.outputs["items"],
            completions=said.outputs["completions"],
            choice_scores=said.outputs["choice_scores"],
            params={**asking, "name": name},
            seed=self.dials.seed,
        )
        return Measured(scored.outputs["scores"], scored.outputs["variants"], scored.outputs["answers"])

    def _asking(self, way: str) -> dict[str, Any]:
        tuned = {**self.config.questions, **self.config.chat}
        return {
            "raw": self.config.questions,
            "chat": tuned,
            "second": {**tuned, **self.config.second_sample},
        }[way]

    def _generate(self, name: str, checkpoint: Any, requests: Any) -> Any:
        return generate(requests=requests, checkpoint=checkpoint, params={**self.config.generate, "name": name})

    def _judge(self, name: str, imitator: Measured) -> Any:
        asked = prepare_judging(candidate=imitator.answers, reference=self.target.answers, params={"name": name})
        weighed = self._generate(f"judge of {name}", self.models.outputs["judge"], asked.outputs["requests"])
        return judge_likelihood(
            candidate=imitator.answers,
            reference=self.target.answers,
            choice_scores=weighed.outputs["choice_scores"],
            params={"name": name, "judge": "likelihood judge"},
        ).outputs["judgments"]
