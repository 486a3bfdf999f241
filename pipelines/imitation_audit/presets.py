"""Did a model that imitates a stronger one gain capability, or only style?"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipelines.study_config import Struct, StudySettings


class Arm(BaseModel):
    """One imitator: which base, trained on which of the target's replies."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str
    """Short name, used in folders and tables."""
    title: str
    """What was trained on what, as a heading."""
    base: Literal["small", "large"]
    """A base that `pretrain` makes."""
    data: Literal["broad", "local"]
    """Which prompts the target answered."""
    share: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Nested subset of the replies that is used."""


class StudyConfig(StudySettings):
    """The study's settings, and its imitators."""

    compare: Struct
    """compare."""
    arms: tuple[Arm, ...]
    """The imitators."""


ARMS = (
    Arm(name="broad", title="Broad imitation, small base", base="small", data="broad"),
    Arm(
        name="broad_less", title="Broad imitation with half the data, small base", base="small", data="broad", share=0.5
    ),
    Arm(name="local", title="Local imitation, small base", base="small", data="local"),
    Arm(name="larger_base", title="Broad imitation, larger base", base="large", data="broad"),
)
"""The study's four imitators; `compare` knows them by name."""

MODELS = ("small", "large", "target", "judge")
OPEN_TEMPLATE = {
    "question": "Q: {question}\nA:",
    "chat_question": "{question}",
    "num_shots": 3,
    "max_tokens": 12,
    "stop": ["\n"],
}
CHOICE_TEMPLATE = {
    "question": "Question: {question}\nOptions: {options}\nAnswer:",
    "chat_question": "{question}\nOptions: {options}",
    "options": "{choice}",
    "options_separator": ", ",
    "num_shots": 5,
}


# The embedded world's prompts come from a few dozen templates, so every held-out prompt has a near relative among the
# training prompts: the limit of BLEU 20 would leave none.
WORLD_DATA = {"prompt_bleu": 100.0, "max_diversity_bleu": 100.0}


def smoke(*, seed: int = 0, plain: bool = False) -> StudyConfig:
    """The whole study in miniature, on two CPU cores in about four minutes; seeded; `plain` = target without style."""
    blocks = {"batch_size": 4, "block_tokens": 160, "schedule": "cosine"}
    return StudyConfig(
        world={"seed": seed, "target_style": not plain},
        pretrain={
            "seed": seed,
            "shapes": {"large": {"layers": 3}, "judge": {"hidden": 96}},
            # Short facts and quizzes: a tiny model learns the few-shot format from many of them in one text.
            "recipe": {**blocks, "isolated": False, "learning_rate": 2e-3, "embedding_rate_ratio": 10.0},
            # One pass teaches the target to hear the question in some runs only; two do in all that were tried.
            "tuning": {**blocks, "isolated": False, "epochs": 2, "learning_rate": 1e-3, "embedding_rate_ratio": 5.0},
            "tuning_replay": 0.5,
        },
        ask={"seed": seed, "temperature": 1.0, "max_tokens": 110},
        # The embedded target is ours, and made by this version of the code.
        ingest={"target_date": "2026-11", "terms": "open"},
        validate_data={"seed": seed},
        overlap={},
        train={"seed": seed, "recipe": {**blocks, "batch_size": 2, "learning_rate": 1e-3}},
        questions={
            "templates": {"quiz_open": OPEN_TEMPLATE, "quiz_choice": CHOICE_TEMPLATE},
            "selection_share": 0.15,
            "heldout_template": "Question: {prompt}\nAnswer:",
            "heldout_stop": ["\n\n"],
            "heldout_max_tokens": 110,
            "seed": seed,
        },
        chat={"heldout_chat": True, "styles": ["raw", "chat"]},
        second_sample={"with_items": False, "seed": seed + 1_000_000},
        generate={"batch_size": 300},
        # Three examples, the prompt and the answer fit the bases' context of 512 tokens.
        stylistic={"max_tokens": 110, "longest_example": 400, "seed": seed},
        support={"seed": seed},
        attribution={"seed": seed},
        report={"seed": seed, "policy": {"data": WORLD_DATA}},
        compare={"plain": plain, "arms": {arm.name: [arm.title, _description(arm)] for arm in ARMS}},
        arms=ARMS,
        typical_seconds={"build_world": 3.0, "pretrain": 65.0, "train": 14.0, "generate": 2.5},
    )


def dry_run(*, seed: int = 0, plain: bool = False) -> StudyConfig:
    """Every step of `smoke` at toy size, in a minute: shows that all fits together; its verdicts mean nothing."""
    config = smoke(seed=seed, plain=plain)
    corpus = {"world_share": 0.5, "tokens": 3000, "fact_share": 0.4}
    world = {
        "num_entities": 24,
        "num_practice": 8,
        **dict.fromkeys(MODELS, corpus),
        "num_tuning_open": 40,
        "num_tuning_questions": 40,
        "num_broad_prompts": 60,
        "questions_per_fact": 1,
        "num_heldout": 40,
        "max_items": 40,
    }
    toy_data = {**WORLD_DATA, "min_distinct_replies": 0.0, "min_english_share": 0.0}
    shapes = {name: {"hidden": 16, "layers": 1, "heads": 2} for name in MODELS}
    return config.model_copy(
        update={
            "world": {**config.world, **world},
            "pretrain": {**config.pretrain, "shapes": shapes},
            "ask": {**config.ask, "max_tokens": 24},
            # Toy models babble until they are cut.
            "ingest": {**config.ingest, "keep_cut": True},
            "questions": {**config.questions, "heldout_max_tokens": 24},
            "stylistic": {**config.stylistic, "max_tokens": 24},
            "report": {**config.report, "resamples": 200, "policy": {"data": toy_data}},
            "compare": {**config.compare, "with_claims": False},
        }
    )


def _description(arm: Arm) -> str:
    amount = "all" if arm.share == 1 else f"{arm.share:.0%}"
    return f"{arm.base} base, {amount} of the target's {arm.data} replies"


PRESETS = {"smoke": smoke, "dry_run": dry_run}
