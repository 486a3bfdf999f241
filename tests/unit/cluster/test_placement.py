"""What a compiled pipeline asks of a cluster: read from the IR, as the server will."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import compiler, dsl

from components.benchmark.component import run_programs
from components.contracts import images
from components.contracts.errors import UsageError
from components.train.component import train
from pipelines import catalog, graph
from pipelines.cli.compile import compile_to
from pipelines.cluster.placement import NO_RETRY, SANDBOX_KEYS, Placement
from pipelines.cluster.profiles import load_profile
from pipelines.cluster.submission import check_pinned

DIGEST = "sha256:" + "a" * 64
LOCK = {
    images.CPU: f"example.org/touchstone/cpu@{DIGEST}",
    images.TRAIN: f"example.org/touchstone/train-cuda@{DIGEST}",
    images.GENERATE: f"example.org/touchstone/generate-cuda@{DIGEST}",
}


def compiled(folder: Path, profile: str, lock: dict[str, str]) -> tuple[Any, Any]:
    """The pipeline document and the platform's executors."""
    out = folder / f"{profile}.yaml"
    placement = Placement(load_profile(profile), lock)
    compile_to("imitation_audit", catalog.preset("imitation_audit", "smoke"), out, placement)
    ir, platform = graph.documents(out)
    return ir, platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


@pytest.fixture(scope="module")
def on_gpu(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    return compiled(tmp_path_factory.mktemp("ir"), "gpu", LOCK)


def test_only_training_and_generation_ask_for_a_gpu_and_go_to_its_nodes(on_gpu: tuple[Any, Any]) -> None:
    ir, pods = on_gpu
    for name, executor in ir["deploymentSpec"]["executors"].items():
        wants_gpu = name.startswith(("exec-train", "exec-pretrain", "exec-generate", "exec-embed"))
        accelerator = executor["container"]["resources"].get("accelerator", {})
        assert (accelerator.get("resourceType") == "nvidia.com/gpu") == wants_gpu, name
        assert (pods[name].get("nodeSelector") == {"labels": {"touchstone/pool": "gpu"}}) == wants_gpu, name
        assert ([t["key"] for t in pods[name].get("tolerations", [])] == ["nvidia.com/gpu"]) == wants_gpu, name


def test_training_gets_shared_memory(on_gpu: tuple[Any, Any]) -> None:
    mounts = on_gpu[1]["exec-train"]["emptyDirMounts"]
    assert [(m["mountPath"], m["medium"], m["sizeLimit"]) for m in mounts] == [("/dev/shm", "Memory", "16Gi")]


def test_every_task_runs_unprivileged_with_the_store_by_name(on_gpu: tuple[Any, Any]) -> None:
    for pod in on_gpu[1].values():
        assert pod["securityContext"] == {"runAsNonRoot": True, "runAsUser": "65532"}
        assert [m["configMapName"] for m in pod["configMapAsEnv"]] == ["touchstone"]
        assert [s["secretName"] for s in pod["secretAsEnv"]] == ["touchstone-s3"]


def test_images_are_those_of_the_lock(on_gpu: tuple[Any, Any]) -> None:
    executors = on_gpu[0]["deploymentSpec"]["executors"]
    assert {e["container"]["image"] for e in executors.values()} == set(LOCK.values())
    assert executors["exec-train"]["container"]["image"] == LOCK[images.TRAIN]


def test_steps_are_tried_again_but_for_those_whose_failure_is_an_answer(on_gpu: tuple[Any, Any]) -> None:
    dags = [on_gpu[0]["root"], *on_gpu[0]["components"].values()]
    tasks = {name: t for dag in dags for name, t in dag.get("dag", {}).get("tasks", {}).items()}
    for task in tasks.values():
        step = task["taskInfo"]["name"].split()[0]
        assert ("retryPolicy" in task) == (step not in NO_RETRY), step


def test_no_two_tasks_of_a_study_bear_one_name_on_kubeflows_page(on_gpu: tuple[Any, Any]) -> None:
    names = [task["taskInfo"]["name"] for task in on_gpu[0]["root"]["dag"]["tasks"].values()]
    assert len(set(names)) == len(names)
    # It has no parameters, and so no name of its own: it is called after the model whose scores it reads.
    assert {"rate_tone small", "rate_tone target"} <= set(names)


def test_the_run_is_registered_before_anything_else(on_gpu: tuple[Any, Any]) -> None:
    tasks = on_gpu[0]["root"]["dag"]["tasks"]
    first = [name for name, task in tasks.items() if not task.get("dependentTasks")]
    assert first == ["register"]


def test_a_tpu_is_asked_for_by_its_topology(tmp_path: Path) -> None:
    @dsl.pipeline(name="one-training")
    def one_training(dialogues: dsl.Input[dsl.Dataset], base: dsl.Input[dsl.Model]) -> None:
        train(dialogues=dialogues, base=base, params={})
        Placement(load_profile("tpu"), LOCK).apply_to_current_pipeline()

    compiler.Compiler().compile(one_training, str(tmp_path / "tpu.yaml"))
    ir, platform = graph.documents(tmp_path / "tpu.yaml")
    accelerator = ir["deploymentSpec"]["executors"]["exec-train"]["container"]["resources"]["accelerator"]
    assert (accelerator["resourceType"], accelerator["resourceCount"]) == ("google.com/tpu", "8")
    pod = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-train"]
    assert pod["nodeSelector"]["labels"]["cloud.google.com/gke-tpu-topology"] == "2x4"


def test_only_the_task_that_runs_programs_is_told_where(on_gpu: tuple[Any, Any], tmp_path: Path) -> None:
    @dsl.pipeline(name="one-run")
    def one_run(items: dsl.Input[dsl.Dataset], completions: dsl.Input[dsl.Dataset]) -> None:
        run_programs(items=items, completions=completions, params={})
        Placement(load_profile("gpu"), LOCK).apply_to_current_pipeline()

    compiler.Compiler().compile(one_run, str(tmp_path / "run.yaml"))
    _, platform = graph.documents(tmp_path / "run.yaml")
    pod = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-run-programs"]
    told = {each["envVar"] for each in pod["configMapAsEnv"][0]["keyToEnv"]}
    assert set(SANDBOX_KEYS) <= told
    others = {each["envVar"] for other in on_gpu[1].values() for each in other["configMapAsEnv"][0]["keyToEnv"]}
    assert not others & set(SANDBOX_KEYS)


@pytest.mark.slow
def test_only_a_pinned_pipeline_is_accepted(on_gpu: tuple[Any, Any], tmp_path: Path) -> None:
    pinned, floating = tmp_path / "pinned.yaml", tmp_path / "floating.yaml"
    pinned.write_text(yaml.safe_dump(on_gpu[0]))
    check_pinned(pinned)
    floating.write_text(pinned.read_text().replace(LOCK[images.TRAIN], images.TRAIN))
    with pytest.raises(UsageError, match="touchstone/python-train") as refused:
        check_pinned(floating)
    assert "images.lock" in refused.value.remedy
