"""What every study asks beside its benchmarks, read off the compiled graph: the stylistic placebo and attribution."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from kfp import compiler

from pipelines import catalog, graph
from pipelines.graph import Port, Task

STUDIES = ("imitation_audit", "mitigation", "style_attribution")


@cache
def tasks(study: str) -> dict[str, Task]:
    """Path -> task of a study's dry run."""
    with TemporaryDirectory() as folder:
        ir = Path(folder) / "pipeline.yaml"
        built = catalog.pipeline(study).build(catalog.preset(study, "dry_run"))
        compiler.Compiler().compile(built, str(ir))
        return {task.path: task for task in graph.tasks(graph.load(ir))}


def of_step(study: str, step: str) -> list[Task]:
    found = [task for task in tasks(study).values() if task.step == step]
    assert found, f"{study} has no task of {step}"
    return found


@pytest.mark.parametrize("study", STUDIES)
def test_each_base_answers_after_examples_of_the_target_and_that_is_a_placebo(study: str) -> None:
    for placebos in of_step(study, "make_placebos"):
        answering = tasks(study)[placebos.inputs["stylistic"].task]
        asking = tasks(study)[answering.inputs["requests"].task]
        base = tasks(study)[placebos.inputs["base"].task]
        assert (answering.step, asking.step) == ("generate", "prepare_stylistic")
        assert asking.inputs["target"] == placebos.inputs["target"]
        # The base's own checkpoint: the one that wrote the answers which `base` scored.
        scored = tasks(study)[base.inputs["completions"].task]
        assert answering.inputs["checkpoint"] == scored.inputs["checkpoint"]
        # Nobody is shown its own prompt's answer: what is asked are the prompts that all models are asked.
        assert asking.inputs["prompts"] == of_step(study, "prepare")[0].inputs["heldout"]


@pytest.mark.parametrize("study", STUDIES)
def test_the_likelihood_judge_weighs_every_placebo_of_every_base(study: str) -> None:
    made = {task.path for task in of_step(study, "make_placebos")}
    for step in ("prepare_judging", "judge_likelihood"):
        weighed = {
            (origin.task, origin.name)
            for task in of_step(study, step)
            for origin in task.inputs.values()
            if origin.task in made
        }
        arms = ("restyled_base", "stylistic_base", "corrupted_target", "constant")
        assert weighed == {(path, arm) for path in made for arm in arms}
        # What is made of the base goes beside the base too: the very answers that the placebos were made of.
        for task in of_step(study, step):
            origins = task.inputs.get("restyled_base")
            if origins is not None:
                assert task.inputs["base"] == tasks(study)[origins.task].inputs["base"]


@pytest.mark.parametrize("study", ["imitation_audit", "style_attribution"])
def test_each_report_says_whose_hand_the_imitators_answers_seem_to_be(study: str) -> None:
    for told in of_step(study, "report"):
        asked = tasks(study)[told.inputs["attributions"].task]
        assert told.inputs["attributions"] == Port(asked.path, "attribute", "attribution")
        assert told.inputs["told_apart"] == Port(asked.path, "attribute", "told_apart")
        assert asked.params["params"]["candidates"] == ["base", "target"]
        assert asked.params["params"]["apart"] == ["imitator", "target"]
        texts = tasks(study)[asked.inputs["texts"].task]
        scores = {role: told.inputs[f"{role}_scores"].task for role in ("base", "imitator", "target")}
        assert {role: texts.inputs[role] for role in scores} == {
            role: Port(task, "score", "answers") for role, task in scores.items()
        }
        assert tasks(study)[asked.inputs["embeddings"].task].step == "embed"


def test_a_sweep_asks_for_attribution_only_where_it_is_told_to() -> None:
    assert not [task for task in tasks("mitigation").values() if task.step == "attribute"]
