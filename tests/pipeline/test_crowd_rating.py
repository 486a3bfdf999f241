"""The two pipelines of ratings by people, run as kfp runs them, against a database."""

import inspect
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from google.protobuf.json_format import MessageToDict
from kfp import Client, compiler, local
from sqlalchemy import make_url

from components.contracts import bind
from components.contracts import manifest as manifests
from components.contracts.crowd_rows import StudyPair
from components.contracts.errors import UsageError
from components.contracts.evidence_rows import Judgment
from components.contracts.ports import Input, write_rows
from components.contracts.rows import Completion
from components.crowd.database import Store, open_database
from components.crowd.study.closing import find_study
from pipelines import catalog, graph
from pipelines.cluster.placement import Placement
from pipelines.cluster.profiles import load_profile
from pipelines.cluster.submission import Version
from pipelines.crowd_rating.config import CollectConfig, PublishConfig
from pipelines.crowd_rating.pipeline import build_collect, build_publish
from pipelines.crowd_rating.submission import compile_to, read_addresses, schedule

PUBLISH = PublishConfig(publish={"design": {"name": "helpful"}})


def compiled(built: Any, out: Path) -> Path:
    compiler.Compiler().compile(built, str(out))
    return out


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::Warning")  # kfp's own, of images without "python" and of closed loops
def test_a_study_is_published_by_one_run_and_collected_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"sqlite:///{tmp_path / 'crowd.db'}"
    monkeypatch.setenv("DATABASE_URL", address)
    monkeypatch.setenv("TOUCHSTONE_STORE", str(tmp_path / "store"))
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(tmp_path / "runs"), raise_on_error=True)
    for model in ("imitator", "target"):
        rows = [Completion(prompt_id=f"q{n}", model=model, prompt="?", text=f"{model} {n}") for n in range(4)]
        write_rows(tmp_path / model, Completion, rows)
    published = build_publish(PUBLISH)(candidate=str(tmp_path / "imitator"), reference=str(tmp_path / "target"))
    study = Path(published.output.path)
    assert len(Input(study, StudyPair).rows()) == 4
    store = Store(open_database(make_url(address)))
    assert not store.run(lambda session: find_study(session, "helpful")).closed
    store.engine.dispose()
    collected = build_collect(CollectConfig(collect={"name": "helpful"}))(study=str(study))
    judgments = Path(collected.output.path)
    assert Input(judgments, Judgment).rows() == []
    assert manifests.read(judgments).notes["standing"] == "open, 0 of 4 pairs complete, 12 votes missing"


def executors(ir: Path) -> dict[str, Any]:
    documents = list(yaml.safe_load_all(ir.read_text()))
    found: dict[str, Any] = documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    return found


def test_only_tasks_that_reach_the_database_get_its_secret_and_none_is_cached(tmp_path: Path) -> None:
    placement = Placement(load_profile("cpu"))
    ir = compiled(build_publish(PUBLISH, placement), tmp_path / "publish.yaml")
    secrets = {name: {one["secretName"] for one in settings["secretAsEnv"]} for name, settings in executors(ir).items()}
    assert secrets == {
        "exec-build-study": {"touchstone-s3"},
        "exec-publish": {"touchstone-s3", "touchstone-crowd-database"},
    }
    tasks = next(yaml.safe_load_all(ir.read_text()))["root"]["dag"]["tasks"]
    assert tasks["publish"]["cachingOptions"] == {}
    assert tasks["build-study"]["cachingOptions"] == {"enableCache": True}


@pytest.mark.parametrize("mturk", [True, False])
def test_what_is_imported_is_recorded_under_the_name_it_is_looked_for(mturk: bool) -> None:
    # Kubeflow's importer writes down the name shown on the page, its driver looks for the name in the graph.
    mixed = PublishConfig(publish=PUBLISH.publish, mixed_in={"gold": "s3://runs/gold"})
    built = (build_publish(mixed), build_collect(CollectConfig(collect={"name": "helpful"}, mturk=mturk)))
    for graph_of in built:
        tasks = MessageToDict(graph_of.pipeline_spec)["root"]["dag"]["tasks"]
        imported = {name: task["taskInfo"]["name"] for name, task in tasks.items() if name.startswith(graph.IMPORTER)}
        assert imported
        assert all(name == shown for name, shown in imported.items())


def test_the_arrows_join_equal_rows(tmp_path: Path) -> None:
    placebos = {"constant": "s3://b/constant", "gold": "s3://b/gold"}
    config = PUBLISH.model_copy(update={"mixed_in": placebos})
    for name, built in (
        ("p", build_publish(config)),
        ("c", build_collect(CollectConfig(collect={"name": "helpful"}, mturk=True))),
    ):
        for task in graph.tasks(graph.load(compiled(built, tmp_path / f"{name}.yaml"))):
            if task.step != "importer":
                declared = bind.declare(catalog.steps()[task.step])
                joined = {port: origin for port, origin in task.inputs.items() if origin.step != "importer"}
                assert set(task.inputs) <= set(declared.inputs)
                for port, origin in joined.items():
                    assert bind.declare(catalog.steps()[origin.step]).outputs[origin.name] is declared.inputs[port]


@pytest.mark.parametrize(
    ("config", "given"),
    [
        (PublishConfig, {"publish": {"design": {"name": "x"}, "days": 3}}),
        (PublishConfig, {"publish": {"design": {}}}),
        (PublishConfig, {"publish": {"design": {"name": "x", "rules": {"min_gold_share": None}}}}),
        (CollectConfig, {"collect": {}}),
    ],
)
def test_parameters_are_checked_when_the_pipeline_is_made(config: Any, given: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        config(**given)


class Server:
    """A Kubeflow Pipelines server, as far as recurring runs go."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def create_experiment(self, name: str) -> Any:
        return SimpleNamespace(experiment_id=f"id of {name}")

    def create_recurring_run(self, **asked: Any) -> Any:
        self.asked = asked
        return SimpleNamespace(recurring_run_id="r1")


def test_collecting_comes_back_by_the_clock_one_at_a_time_and_makes_nothing_up() -> None:
    server, version = Server(), Version("crowd-collect", "v1", "p1", "v1-id", was_there=False)
    made = schedule(server, version, name="helpful", arguments={"study": "s3://b/study"}, every_minutes=30)
    assert made == "r1"
    wanted = {
        "interval_second": 1800,
        "no_catchup": True,
        "max_concurrency": 1,
        "params": {"study": "s3://b/study"},
        "pipeline_id": "p1",
        "version_id": "v1-id",
    }
    assert {name: server.asked[name] for name in wanted} == wanted
    # What is asked for is what kfp's client takes.
    assert set(server.asked) <= set(inspect.signature(Client.create_recurring_run).parameters)


@pytest.mark.parametrize("given", [(), ("study=s3://b/s",), ("study=s3://b/s", "hits"), ("a=b", "study=c", "hits=d")])
def test_every_address_is_asked_for(given: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="the addresses given"):
        read_addresses(given, ("study", "hits"))
    assert read_addresses(("hits=s3://b/h?a=b", "study=s3://b/s"), ("study", "hits"))["hits"] == "s3://b/h?a=b"


def test_a_configuration_becomes_a_pipeline_or_a_reason(tmp_path: Path) -> None:
    config = tmp_path / "collect.yaml"
    config.write_text("collect: {name: helpful}\nmturk: true\n")
    assert compile_to("collect", config, tmp_path / "ir.yaml", None) == ("study", "hits")
    assert [task.step for task in graph.tasks(graph.load(tmp_path / "ir.yaml"))].count("collect") == 1
    with pytest.raises(UsageError, match=r"collect\.yaml: publish: Field required"):
        compile_to("publish", config, tmp_path / "ir.yaml", None)
