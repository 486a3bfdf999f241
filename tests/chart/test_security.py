"""What a platform engineer checks before letting the chart in: pods, rights, images, secrets, volumes."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chart import value_sets
from tests.chart.helm import NAMESPACE, Object, containers, find, needs_helm, of_kind, pod_templates, render
from tests.chart.pod_security import violations

pytestmark = needs_helm

SECRET_WORD = re.compile(r"PASSWORD|SECRET|ACCESS_KEY|TOKEN$|DATABASE_URL", re.IGNORECASE)
TASK_VERBS = ["create", "get", "list", "watch", "delete"]


@pytest.fixture(params=sorted(value_sets.ALL))
def objects(request: pytest.FixtureRequest) -> list[Object]:
    return render(value_sets.ALL[request.param])


def all_containers(objects: list[Object]) -> Iterator[tuple[str, Object, Object]]:
    for name, pod in pod_templates(objects):
        for container in containers(pod):
            yield f"{name}/{container['name']}", pod, container


def test_every_pod_conforms_to_the_restricted_standard(objects: list[Object]) -> None:
    found = {name: violations(pod["spec"]) for name, pod in pod_templates(objects)}
    assert found
    assert {name: problems for name, problems in found.items() if problems} == {}


def test_everything_includes_the_runtimes_and_jobs() -> None:
    names = {name.split("/")[0] for name, _ in pod_templates(render(value_sets.EVERYTHING))}
    assert names == {"Deployment", "StatefulSet", "Job", "ClusterTrainingRuntime"}


def test_root_file_systems_are_read_only_and_tmp_is_a_volume(objects: list[Object]) -> None:
    for name, pod, container in all_containers(objects):
        assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        assert "emptyDir" in volumes[mounts["/tmp"]], name
        assert set(mounts.values()) <= set(volumes), name


def test_every_container_says_what_it_needs(objects: list[Object]) -> None:
    for name, _, container in all_containers(objects):
        assert container["resources"]["requests"].keys() >= {"cpu", "memory"}, name
        assert "memory" in container["resources"]["limits"], name


def test_users_are_numeric(objects: list[Object]) -> None:
    users = {name: pod["spec"]["securityContext"]["runAsUser"] for name, pod in pod_templates(objects)}
    others = {name for name, user in users.items() if user != 65532}
    assert others <= {"StatefulSet/touchstone-crowd-database"}


def test_only_the_uploader_has_a_token(objects: list[Object]) -> None:
    with_token = {
        name for name, pod in pod_templates(objects) if pod["spec"].get("automountServiceAccountToken") is not False
    }
    assert with_token <= {"Job/touchstone-upload-pipelines"}


def test_services_and_databases_are_probed(objects: list[Object]) -> None:
    lasting = of_kind(objects, "Deployment", "StatefulSet")
    for name, pod in pod_templates(lasting):
        for container in containers(pod):
            assert {"livenessProbe", "readinessProbe"} <= container.keys(), name


def test_no_image_can_change_its_meaning(objects: list[Object]) -> None:
    for name, _, container in all_containers(objects):
        reference = container["image"]
        tag = reference.rpartition("/")[2].partition(":")[2]
        assert "@sha256:" in reference or (tag and tag != "latest"), f"{name}: {reference}"


def test_digests_and_a_registry_reach_our_images() -> None:
    images = {container["image"] for _, _, container in all_containers(render(value_sets.EVERYTHING))}
    assert f"registry.example.org/team/touchstone/cpu@{value_sets.DIGEST}" in images
    assert not any(image.startswith("touchstone/") for image in images)


def test_pull_secrets_reach_every_pod() -> None:
    for name, pod in pod_templates(render(value_sets.EVERYTHING)):
        assert pod["spec"]["imagePullSecrets"] == [{"name": "pull"}], name


def rules(objects: list[Object]) -> dict[tuple[str, str], dict[tuple[str, str], Any]]:
    """(kind, role) -> {(API group, resource): (verbs, names)}."""
    found: dict[tuple[str, str], dict[tuple[str, str], Any]] = {}
    for role in of_kind(objects, "Role", "ClusterRole"):
        entry = found.setdefault((role["kind"], role["metadata"]["name"]), {})
        for rule in role["rules"]:
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    entry[(group, resource)] = (rule["verbs"], rule.get("resourceNames"))
    return found


def test_the_rights_are_these_and_no_more() -> None:
    assert rules(render()) == {
        ("Role", "touchstone-runner"): {
            ("trainer.kubeflow.org", "trainjobs"): (["create", "get", "list", "watch", "patch", "delete"], None),
            ("", "pods"): (["get", "list", "watch"], None),
            ("", "events"): (["get", "list", "watch"], None),
            ("", "pods/log"): (["get"], None),
        },
        ("Role", "touchstone-kfp-executor"): {
            ("argoproj.io", "workflowtaskresults"): (["create", "patch"], None),
            ("", "configmaps"): (["get"], ["kfp-launcher"]),
            ("", "secrets"): (["get"], ["mlpipeline-minio-artifact"]),
        },
        ("Role", "touchstone-sandbox-user"): {
            ("batch", "jobs"): (TASK_VERBS, None),
            ("", "pods"): (TASK_VERBS, None),
            ("", "pods/log"): (["get"], None),
        },
        ("ClusterRole", f"touchstone-runtimes-{NAMESPACE}"): {
            ("trainer.kubeflow.org", "clustertrainingruntimes"): (
                ["get"],
                ["touchstone-torch", "touchstone-deepspeed", "touchstone-tpu"],
            ),
        },
    }


def test_doctor_asks_for_no_right_that_the_chart_does_not_give() -> None:
    from pipelines.doctor import rights_checks

    given = rules(render())
    here = {**given[("Role", "touchstone-runner")], **given[("Role", "touchstone-kfp-executor")]}
    asked = [(right, here) for right in (*rights_checks.PIPELINE_RIGHTS, *rights_checks.TRAINJOB_RIGHTS)]
    asked += [(right, given[("Role", "touchstone-sandbox-user")]) for right in rights_checks.SANDBOX_RIGHTS]
    for (group, resource, verbs), granted in asked:
        assert set(verbs) <= set(granted[(group, resource)][0]), resource


def test_no_role_grants_everything(objects: list[Object]) -> None:
    for role, granted in rules(objects).items():
        for (group, resource), (verbs, _) in granted.items():
            assert "*" not in {group, resource, *verbs}, role


def test_rights_go_to_service_accounts_of_the_pipelines_alone(objects: list[Object]) -> None:
    settings = find(objects, "ConfigMap", "touchstone")
    for binding in of_kind(objects, "RoleBinding", "ClusterRoleBinding"):
        assert {subject["kind"] for subject in binding["subjects"]} == {"ServiceAccount"}
        assert {subject["namespace"] for subject in binding["subjects"]} == {settings["metadata"]["namespace"]}


def test_further_accounts_share_the_runners_rights() -> None:
    objects = render(value_sets.EVERYTHING)
    runner = find(objects, "RoleBinding", "touchstone-runner")
    assert [subject["name"] for subject in runner["subjects"]] == ["touchstone-runner", "pipeline-runner"]
    executor = find(objects, "RoleBinding", "touchstone-kfp-executor")
    assert [subject["name"] for subject in executor["subjects"]] == ["touchstone-runner"]


def test_secrets_are_random_or_yours_never_values() -> None:
    first, second = (of_kind(render(), "Secret") for _ in range(2))
    assert {secret["metadata"]["name"] for secret in first} == {"touchstone-s3", "touchstone-crowd-database"}
    for one, other in zip(first, second, strict=True):
        assert one["data"].keys() == other["data"].keys()
        assert all(one["data"][key] != other["data"][key] for key in one["data"])
    assert of_kind(render(value_sets.EXTERNAL), "Secret") == []


def test_both_namespaces_get_the_same_generated_credentials() -> None:
    secrets = [s for s in of_kind(render(value_sets.EVERYTHING), "Secret") if s["metadata"]["name"] == "touchstone-s3"]
    assert {secret["metadata"]["namespace"] for secret in secrets} == {NAMESPACE, "research"}
    assert secrets[0]["data"] == secrets[1]["data"]


def test_no_secret_stands_in_a_pods_environment(objects: list[Object]) -> None:
    for name, _, container in all_containers(objects):
        for variable in container.get("env", []):
            if SECRET_WORD.search(variable["name"]):
                assert "value" not in variable, f"{name}: {variable['name']}"
    for settings in of_kind(objects, "ConfigMap"):
        assert not [key for key in settings["data"] if SECRET_WORD.search(key)]


def test_volumes_and_what_opens_them_outlive_the_release() -> None:
    objects = render()
    kept = {
        (made["kind"], made["metadata"]["name"])
        for made in objects
        if made["metadata"].get("annotations", {}).get("helm.sh/resource-policy") == "keep"
    }
    assert kept == {
        ("PersistentVolumeClaim", "touchstone-minio"),
        ("PersistentVolumeClaim", "touchstone-crowd-database"),
        ("Secret", "touchstone-s3"),
        ("Secret", "touchstone-crowd-database"),
    }
    assert not [made for made in of_kind(objects, "StatefulSet") if "volumeClaimTemplates" in made["spec"]]


def test_hooks_leave_nothing_behind(objects: list[Object]) -> None:
    for made in objects:
        annotations = made["metadata"].get("annotations", {})
        if "helm.sh/hook" in annotations:
            assert made["kind"] == "Job"
            assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"
            assert made["spec"]["ttlSecondsAfterFinished"] <= 3600


def test_the_sandbox_is_closed() -> None:
    objects = render()
    namespace = find(objects, "Namespace", "touchstone-sandbox")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    policy = find(objects, "NetworkPolicy", "deny-all")
    assert policy["metadata"]["namespace"] == "touchstone-sandbox"
    assert policy["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert find(objects, "ServiceAccount", "sandbox")["automountServiceAccountToken"] is False
    assert find(objects, "ResourceQuota", "sandbox")["spec"]["hard"]
    assert find(objects, "LimitRange", "sandbox")["spec"]["limits"][0]["max"]


def test_the_database_is_reachable_from_the_crowd_service_and_from_runs_only() -> None:
    objects = render()
    (rule,) = find(objects, "NetworkPolicy", "touchstone-crowd-database")["spec"]["ingress"]
    service = find(objects, "Deployment", "touchstone-crowd")["spec"]["template"]["metadata"]["labels"]
    of_runs = {"matchExpressions": [{"key": "pipeline/runid", "operator": "Exists"}]}
    assert rule["from"] == [{"podSelector": {"matchLabels": service}}, {"podSelector": of_runs}]


def test_the_store_is_reachable_from_the_pipelines_and_named_namespaces_only() -> None:
    (rule,) = find(render(value_sets.EVERYTHING), "NetworkPolicy", "touchstone-minio")["spec"]["ingress"]
    names = [peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for peer in rule["from"]]
    assert names == ["research", "kubeflow", "monitoring"]
