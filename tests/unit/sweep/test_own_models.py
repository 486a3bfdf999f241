"""A sweep over one's own models, read from a file."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from components.contracts.dialogue_rows import Dialogue
from components.contracts.errors import UsageError
from components.contracts.ports import write_rows
from components.contracts.rows import Prompt, TaskItem, TextRow
from pipelines import catalog, graph
from pipelines.cli.compile import compile_to
from pipelines.sweep.own_models import read_config


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    monkeypatch.chdir(tmp_path)
    for name, contract in (("dialogues", Dialogue), ("items", TaskItem), ("heldout", Prompt), ("texts", TextRow)):
        write_rows(tmp_path / name, contract, [])
    (tmp_path / "model").mkdir()
    return {
        "sources": {
            "bases": {"ours": {"source": "model"}, "hub": {"source": "a/b", "revision": "0" * 40}},
            "target": {
                "generate": {"backend": "api", "api": {"base_url": "http://127.0.0.1:1", "model": "m-2026-01-01"}}
            },
            "dialogues": {"chats": "dialogues"},
            "items": "items",
            "heldout": "heldout",
        },
        "sweep": {"bases": ["ours", "hub"], "data": ["chats"], "amounts": [1000, 2000]},
        "train": {"recipe": {"learning_rate": 1e-4}},
    }


def written(tmp_path: Path, given: dict[str, object]) -> Path:
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump(given))
    return path


def test_what_the_file_leaves_out_is_the_studys(tmp_path: Path, given: dict[str, object]) -> None:
    config = read_config(written(tmp_path, given), "data_scaling", seed=3)
    recipe = config.train["recipe"]
    assert (recipe["learning_rate"], recipe["batch_size"], recipe["block_tokens"]) == (1e-4, 32, 2048)
    assert recipe["optimizer"] == "adamw_parameter_scaled"
    assert config.train["seed"] == 3
    assert config.stylistic == {"seed": 3}


def test_after_examples_the_base_may_answer_at_such_length_as_all_others(
    tmp_path: Path, given: dict[str, object]
) -> None:
    given["questions"] = {"heldout_max_tokens": 200}
    assert read_config(written(tmp_path, given), "data_scaling").stylistic["max_tokens"] == 200
    given["stylistic"] = {"max_tokens": 50}
    assert read_config(written(tmp_path, given), "data_scaling").stylistic["max_tokens"] == 50


@pytest.mark.slow
def test_the_graph_fetches_models_and_asks_the_server_without_a_checkpoint(
    tmp_path: Path, given: dict[str, object]
) -> None:
    config = catalog.preset("data_scaling", str(written(tmp_path, given)), seed=0)
    compile_to("data_scaling", config, tmp_path / "ir.yaml")
    tasks = graph.tasks(graph.load(tmp_path / "ir.yaml"))
    named = {(task.step, task.params.get("params", {}).get("name")): task for task in tasks if not task.rounds}
    assert named["fetch_checkpoint", "hub"].params["params"]["revision"] == "0" * 40
    assert named["fetch_checkpoint", "ours"].params["params"]["source"] == str((tmp_path / "model").resolve())
    target = named["generate", "target"]
    assert set(target.inputs) == {"requests"}
    assert target.params["params"]["backend"] == "api"
    assert [task.step for task in tasks].count(graph.IMPORTER) == 3
    assert not any(task.step == "judge_likelihood" for task in tasks), "there is no judge"
    assert not any(task.step in ("build_world", "pretrain") for task in tasks)


def test_a_changed_folder_is_another_model(tmp_path: Path, given: dict[str, object]) -> None:
    config = read_config(written(tmp_path, given), "data_scaling")
    assert config.sources is not None
    before = config.sources.bases["ours"].fetching("ours")
    (tmp_path / "model" / "config.json").write_text("{}")
    assert config.sources.bases["ours"].fetching("ours") != before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sources": None}, "has no sources"),
        ({"pretrain": {}}, "embedded world"),
        ({"swep": {}}, "did you mean sweep"),
        ({"sweep": {"bases": ["theirs"], "data": ["chats"], "amounts": [1]}}, "base theirs has no source"),
        ({"sweep": {"bases": ["ours"], "data": ["chat"], "amounts": [1]}}, "data chat has no source"),
        ({"sweep": {"bases": ["ours"], "data": ["chats"], "amounts": [2, 1]}}, "must grow"),
    ],
)
def test_bad_files_are_refused_by_name(
    tmp_path: Path, given: dict[str, object], change: dict[str, object], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        read_config(written(tmp_path, {**given, **change}), "data_scaling")


def test_a_folder_that_is_no_artifact_is_refused_before_anything_runs(tmp_path: Path, given: dict[str, object]) -> None:
    (tmp_path / "items" / "manifest.json").unlink()
    with pytest.raises(UsageError, match="items is no artifact"):
        read_config(written(tmp_path, given), "data_scaling")


def test_the_study_has_no_such_files(tmp_path: Path, given: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="has no preset"):
        catalog.preset("imitation_audit", str(written(tmp_path, given)))


def test_a_judge_behind_a_server_writes_verdicts_and_meets_placebos_among_the_rest(
    tmp_path: Path, given: dict[str, object]
) -> None:
    server = {"base_url": "http://127.0.0.1:1", "model": "judge-2026-02-03"}
    judge = {"generate": {"backend": "api", "api": server}}
    sources = {**given["sources"], "judge": judge}  # type: ignore[dict-item]
    config = read_config(written(tmp_path, {**given, "sources": sources}), "data_scaling")
    compile_to("data_scaling", config, tmp_path / "ir.yaml")
    tasks = graph.tasks(graph.load(tmp_path / "ir.yaml"))
    (asked, *_) = [task for task in tasks if task.step == "prepare_verdicts"]
    assert {"restyled_base", "stylistic_base", "corrupted_target", "constant"} <= set(asked.inputs)
    assert asked.params["params"]["judge"] == "judge-2026-02-03"
    assert "prepare_judging" not in {task.step for task in tasks}
    replies = next(task for task in tasks if task.step == "read_verdicts").inputs["completions"]
    answering = next(task for task in tasks if task.path == replies.task)
    assert answering.params["params"]["api"] == server
    assert {task.step for task in tasks if not task.rounds} >= {"make_placebos"}, "made once, outside the loop"


def test_what_one_pass_cannot_do_is_trained_for_each_amount_or_refused(
    tmp_path: Path, given: dict[str, object]
) -> None:
    train = {"engine": "fsdp", "processes": 8}
    spread = read_config(written(tmp_path, {**given, "train": train}), "data_scaling")
    assert {group.kind for group in spread.sweep.groups()} == {"separate"}
    assert {group.kind for group in read_config(written(tmp_path, given), "data_scaling").sweep.groups()} == {"series"}
    insisted = {**given, "train": train, "sweep": {**given["sweep"], "one_pass": True}}  # type: ignore[dict-item]
    with pytest.raises(UsageError, match="train says engine, processes"):
        read_config(written(tmp_path, insisted), "data_scaling")


@pytest.mark.slow
def test_attribution_is_asked_where_the_file_says_so_by_a_checkpoint_that_embeds(
    tmp_path: Path, given: dict[str, object]
) -> None:
    given["attribution"] = {"resamples": 500}
    config = catalog.preset("data_scaling", str(written(tmp_path, given)), seed=3)
    compile_to("data_scaling", config, tmp_path / "ir.yaml")
    tasks = graph.tasks(graph.load(tmp_path / "ir.yaml"))
    asked = [task for task in tasks if task.step == "attribute"]
    for task in asked:
        assert {(params["params"]["resamples"], params["params"]["seed"]) for params in task.rounds} == {(500, 3)}
    embedded = {task.inputs["checkpoint"].task for task in tasks if task.step == "embed"}
    # There is no judge: each base reads the answers of its own comparison.
    fetched = {task.path for task in tasks if task.step == "fetch_checkpoint"}
    assert embedded == fetched
    assert len(asked) == len(fetched)


def test_embeddings_of_a_model_behind_a_server_are_refused_with_what_needs_none(
    tmp_path: Path, given: dict[str, object]
) -> None:
    served = {"generate": {"backend": "api", "api": {"base_url": "http://127.0.0.1:1", "model": "b-2026-01-01"}}}
    given["sources"]["bases"]["hub"] = served  # type: ignore[index]
    given["attribution"] = {}
    with pytest.raises(UsageError, match="asks for embeddings, and a model behind a server gives none"):
        read_config(written(tmp_path, given), "data_scaling")
    given["attribution"] = {"classifiers": ["char_ngrams", "surface"]}
    assert read_config(written(tmp_path, given), "data_scaling").attribution is not None
