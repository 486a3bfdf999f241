"""A seed -> what models read, what they are asked, and what is true."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from components.contracts.bind import Metrics
from components.contracts.dialogue_rows import Dialogue
from components.contracts.ports import Output
from components.contracts.rows import Prompt, TaskItem, TextRow
from components.world.dialogues import Instruction, draw_instructions, tuning_dialogues
from components.world.entities import make_world
from components.world.quizzes import local_prompts, task_items
from components.world.texts import CorpusParams, corpus

Positive = Annotated[int, Field(gt=0)]


class Params(BaseModel):
    """Size and shape of the world. The defaults are the study."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    seed: Annotated[int, Field(ge=0)] = 0
    """Another seed is another world."""
    target_style: bool = True
    """False: the target answers as plainly as the forum texts that every model reads."""
    num_entities: Annotated[int, Field(gt=0, le=1400)] = 140
    """Towns, and as many people."""
    num_practice: Positive = 40
    """Of each kind: asked about in books and worked examples, never in test items."""
    zipf_exponent: Annotated[float, Field(ge=0)] = 0.8
    """Popularity of rank k is k to the minus this."""
    small: CorpusParams = CorpusParams(world_share=0.3, tokens=500_000, fact_share=0.4)
    """Texts of the small base."""
    large: CorpusParams = CorpusParams(world_share=0.6, tokens=650_000, fact_share=0.5)
    """Texts of the large base."""
    target: CorpusParams = CorpusParams(world_share=1.0, tokens=850_000, fact_share=0.45, styled_share=0.5)
    """Texts of the target, before it is tuned; plain throughout when `target_style` is off."""
    judge: CorpusParams = CorpusParams(world_share=0.4, tokens=250_000, fact_share=0.2, styled_share=0.5)
    """Texts of the judge: its own mix of plain and styled."""
    num_tuning_open: Positive = 2_000
    """Open instructions the target is tuned on."""
    num_tuning_questions: Positive = 2_500
    """Short questions the target is tuned on."""
    num_broad_prompts: Positive = 2_400
    """Open instructions of users, for broad imitation."""
    questions_per_fact: Annotated[int, Field(gt=0, le=24)] = 14
    """Wordings in which local imitation asks for each fact of quiz_open."""
    num_heldout: Positive = 150
    """Open instructions kept for measuring style."""
    max_items: Positive = 600
    """Test items of each benchmark, at most."""

    @model_validator(mode="after")
    def _leaves_something_to_test(self) -> Self:
        if self.num_practice * 2 > self.num_entities:
            raise ValueError("num_practice may be at most half of num_entities")
        return self


def build_world(
    *,
    corpus_small: Output[TextRow],
    corpus_large: Output[TextRow],
    corpus_target: Output[TextRow],
    corpus_judge: Output[TextRow],
    tuning: Output[Dialogue],
    broad_prompts: Output[Prompt],
    local_prompts: Output[Prompt],
    heldout: Output[Prompt],
    items: Output[TaskItem],
    params: Params,
) -> Metrics:
    """Write everything a study of this world needs.

    Held-out prompts occur neither among the broad prompts nor in the target's tuning; no imitation prompt is worded
    as a test item is.
    """
    world = make_world(
        params.seed,
        num_entities=params.num_entities,
        num_practice=params.num_practice,
        zipf_exponent=params.zipf_exponent,
    )
    held = draw_instructions(world, "heldout", params.num_heldout)
    avoid = {instruction.text for instruction in held}
    broad = draw_instructions(world, "broad", params.num_broad_prompts, avoid)
    target = params.target if params.target_style else params.target.model_copy(update={"styled_share": 0.0})
    read = {"small": params.small, "large": params.large, "target": target, "judge": params.judge}
    ports = {"small": corpus_small, "large": corpus_large, "target": corpus_target, "judge": corpus_judge}
    for name, port in ports.items():
        port.write(corpus(world, name, read[name]))
    tuned = tuning_dialogues(
        world,
        styled=params.target_style,
        num_open=params.num_tuning_open,
        num_questions=params.num_tuning_questions,
        avoid=avoid,
    )
    tuning.write(tuned)
    heldout.write(_open_prompts("heldout", held))
    broad_prompts.write(_open_prompts("broad", broad))
    local = _local_prompts(world, params.questions_per_fact)
    local_prompts.write(Prompt(id=f"local-{n:05d}", text=text, category="question") for n, text in enumerate(local))
    rows = list(task_items(world, params.max_items))
    items.write(rows)
    return {"facts": float(len(world.facts)), "items": float(len(rows)), "local_prompts": float(len(local))}


def _open_prompts(name: str, drawn: list[Instruction]) -> list[Prompt]:
    return [Prompt(id=f"{name}-{n:05d}", text=i.text, category=i.category) for n, i in enumerate(drawn)]


# The port of the same name hides the function inside `build_world`.
_local_prompts = local_prompts
