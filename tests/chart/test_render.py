"""The chart renders for every way of installing it, says what is missing, and its default changes only on purpose."""

import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart import value_sets
from tests.chart.helm import CHART, NAMESPACE, TRAINER_API, Object, call, find, needs_helm, of_kind, refusal, render
from tests.chart.regenerate import SNAPSHOT, normal

pytestmark = needs_helm
NOTES = """apiVersion: v1
kind: ConfigMap
metadata: {name: notes}
data: {notes: {{ include "notes" . | toJson }} }
"""
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", sorted(value_sets.ALL))
def test_lint_finds_nothing(name: str, tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(value_sets.ALL[name]))
    done = call("lint", "--strict", str(CHART), "--values", str(values))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", sorted(value_sets.ALL))
def test_every_object_is_named_placed_and_labelled(name: str) -> None:
    objects = render(value_sets.ALL[name])
    identities = [(o["apiVersion"], o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in objects]
    assert len(set(identities)) == len(identities)
    for made in objects:
        labels = made["metadata"]["labels"]
        assert labels["app.kubernetes.io/part-of"] == "touchstone"
        clusterwide = made["kind"] in {
            "Namespace",
            "ClusterRole",
            "ClusterRoleBinding",
            "ClusterTrainingRuntime",
            "RuntimeClass",
        }
        assert ("namespace" in made["metadata"]) is not clusterwide, made["kind"]


def test_the_default_render_is_the_snapshot() -> None:
    assert normal(render()) == SNAPSHOT.read_text(), "if this is meant: python -m tests.chart.regenerate"


def test_the_chart_is_of_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == project["version"]


def test_selectors_do_not_depend_on_the_version() -> None:
    """A StatefulSet's selector cannot be changed: an upgrade would be refused."""
    for made in of_kind(render(value_sets.EVERYTHING), "StatefulSet", "Deployment"):
        assert set(made["spec"]["selector"]["matchLabels"]) == {
            "app.kubernetes.io/name",
            "app.kubernetes.io/instance",
            "app.kubernetes.io/component",
        }


def test_services_find_their_pods() -> None:
    objects = render(value_sets.EVERYTHING)
    pods = [made["spec"]["template"] for made in of_kind(objects, "Deployment", "StatefulSet")]
    for service in of_kind(objects, "Service"):
        (pod,) = [p for p in pods if p["metadata"]["labels"] == service["spec"]["selector"]]
        names = {port["name"] for container in pod["spec"]["containers"] for port in container["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= names


def test_settings_of_the_default() -> None:
    assert find(render(), "ConfigMap", "touchstone")["data"] == {
        "TOUCHSTONE_STORE": "s3://touchstone/artifacts",
        "TOUCHSTONE_S3_ENDPOINT": f"http://touchstone-minio.{NAMESPACE}.svc:9000",
        "TOUCHSTONE_S3_REGION": "us-east-1",
        "TOUCHSTONE_SANDBOX_NAMESPACE": "touchstone-sandbox",
        "TOUCHSTONE_SANDBOX_IMAGE": "touchstone/sandbox:0.1.0",
    }


def test_settings_of_an_external_store() -> None:
    objects = render(value_sets.EXTERNAL)
    data = find(objects, "ConfigMap", "touchstone")["data"]
    assert data["TOUCHSTONE_STORE"] == "s3://my-bucket"
    assert data["TOUCHSTONE_S3_ENDPOINT"] == "https://s3.example.org"
    assert data["TOUCHSTONE_S3_REGION"] == "eu-west-1"
    assert not of_kind(objects, "StatefulSet", "PersistentVolumeClaim", "Secret")


def test_settings_with_everything_on() -> None:
    settings = find(render(value_sets.EVERYTHING), "ConfigMap", "touchstone")
    assert settings["metadata"]["namespace"] == "research"
    assert settings["data"]["TOUCHSTONE_PUSHGATEWAY"] == f"http://touchstone-pushgateway.{NAMESPACE}.svc:9091"
    assert settings["data"]["TOUCHSTONE_SANDBOX_RUNTIME_CLASS"] == "gvisor"


def test_a_pushgateway_of_ones_own_is_used_instead() -> None:
    objects = render({"monitoring": {"pushgateway": {"enabled": True, "externalUrl": "http://push.example.org:9091"}}})
    assert find(objects, "ConfigMap", "touchstone")["data"]["TOUCHSTONE_PUSHGATEWAY"] == "http://push.example.org:9091"
    assert not [made for made in objects if made["metadata"]["name"] == "touchstone-pushgateway"]


def test_what_runs_in_the_pipelines_namespace() -> None:
    """Their pods read these there; the services stay with the release."""
    there = {(o["kind"], o["metadata"]["name"]) for o in render(value_sets.EVERYTHING) if placed(o) == "research"}
    assert there == {
        ("ConfigMap", "touchstone"),
        ("ConfigMap", "touchstone-images"),
        ("ConfigMap", "touchstone-make-bucket"),
        ("ConfigMap", "touchstone-round-trip"),
        ("Job", "touchstone-make-bucket"),
        ("Job", "touchstone-round-trip"),
        ("Job", "touchstone-upload-pipelines"),
        ("ResourceQuota", "touchstone-pipelines"),
        ("Role", "touchstone-kfp-executor"),
        ("Role", "touchstone-runner"),
        ("RoleBinding", "touchstone-kfp-executor"),
        ("RoleBinding", "touchstone-runner"),
        ("Secret", "touchstone-s3"),
        ("ServiceAccount", "touchstone-runner"),
    }


def placed(made: Object) -> str | None:
    found: str | None = made["metadata"].get("namespace")
    return found


@pytest.mark.parametrize(
    ("enabled", "apis", "rendered"),
    [
        ("auto", (), 0),
        ("auto", (TRAINER_API,), 3),
        (True, (), 3),
        ("true", (), 3),
        (False, (TRAINER_API,), 0),
        ("false", (TRAINER_API,), 0),
    ],
)
def test_runtimes_follow_the_cluster_or_the_value(enabled: bool | str, apis: tuple[str, ...], rendered: int) -> None:
    objects = render({"training": {"runtimes": {"enabled": enabled}}}, *apis)
    assert len(of_kind(objects, "ClusterTrainingRuntime")) == rendered


def test_the_uploader_submits_every_pipeline_with_pinned_images() -> None:
    from click.testing import CliRunner

    from pipelines.cli.submit import submit

    objects = render(value_sets.EVERYTHING)
    pod = find(objects, "Job", "touchstone-upload-pipelines")["spec"]["template"]["spec"]
    commands = [container["command"] for container in [*pod["initContainers"], *pod["containers"]]]
    assert [command[:3] for command in commands] == [
        ["touchstone", "submit", "imitation_audit"],
        ["touchstone", "submit", "another"],
    ]
    known = {option for parameter in submit.params for option in parameter.opts}
    given = {word.partition("=")[0] for word in commands[0][3:]}
    assert given <= known
    assert "--upload-only" in given
    # An option the command does not know would exit 2 in the pod, minutes after `helm install`.
    assert CliRunner().invoke(submit, ["--no-such-option"]).exit_code == 2


def test_the_images_of_the_release_are_a_lock_that_submit_reads(tmp_path: Path) -> None:
    from pipelines.cluster.image_lock import read_lock

    lock = tmp_path / "images.lock"
    lock.write_text(find(render(value_sets.EVERYTHING), "ConfigMap", "touchstone-images")["data"]["images.lock"])
    assert all(reference.endswith(value_sets.DIGEST) for reference in read_lock(lock).values())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"objectStore": {"kind": "external"}}, "objectStore.endpoint"),
        ({"objectStore": {"kind": "external", "endpoint": "https://s3.example.org"}}, "kubectl create secret"),
        ({"crowd": {"database": {"kind": "external"}}}, "kubectl create secret"),
        ({"crowd": {"ingress": {"enabled": True}}}, "crowd.ingress.host"),
        ({"pipelines": {"upload": {"enabled": True}}}, "pipelines.kfpHost"),
        ({"pipelines": {"kfpHost": "http://h:8888", "upload": {"enabled": True}}}, "images.cpu.digest"),
        ({"sandbox": {"runtimeClass": {"create": True}}}, "sandbox.runtimeClassName"),
        ({"sandbox": {"namespace": NAMESPACE}}, "sandbox.namespace"),
        ({"crowd": {"database": {"image": {"tag": ""}}}}, "crowd.database.image.tag"),
    ],
)
def test_what_is_missing_is_named_with_what_to_type(values: dict[str, Any], said: str) -> None:
    assert said in refusal(values)


@pytest.mark.parametrize("name", sorted(value_sets.ALL))
def test_the_notes_say_what_to_type_next(name: str, tmp_path: Path) -> None:
    """`helm template` leaves the notes out, so that a copy of the chart puts them into a ConfigMap."""
    chart = tmp_path / "touchstone"
    shutil.copytree(CHART, chart)
    notes = (chart / "templates" / "NOTES.txt").read_text()
    (chart / "templates" / "notes.yaml").write_text(f'{NOTES}{{{{ define "notes" }}}}{notes}{{{{ end }}}}')
    text = find(render(value_sets.ALL[name], chart=chart), "ConfigMap", "notes")["data"]["notes"]
    assert "touchstone doctor --namespace" in text
    assert "touchstone submit imitation_audit" in text
    assert ("my-s3" in text) is (name == "external")
    assert ("pipelines.upload.enabled=true" in text) is (name != "everything")
    assert ("svc/touchstone-crowd" in text) is (name != "little")
