"""The ways of installing that the tests render: as it comes, with a store of one's own, and with everything on."""

from __future__ import annotations

from typing import Any

DIGEST = "sha256:" + "ab" * 32

EXTERNAL: dict[str, Any] = {
    "objectStore": {
        "kind": "external",
        "endpoint": "https://s3.example.org",
        "region": "eu-west-1",
        "bucket": "my-bucket",
        "prefix": "",
        "existingSecret": "my-s3",
    },
    "crowd": {"database": {"kind": "external", "existingSecret": "my-database"}},
}

EVERYTHING: dict[str, Any] = {
    "imageRegistry": "registry.example.org/team",
    "imagePullSecrets": ["pull"],
    "images": {name: {"digest": DIGEST} for name in ("cpu", "train", "trainTpu", "generate", "sandbox", "crowd")},
    "pipelines": {
        "namespace": "research",
        "serviceAccounts": ["pipeline-runner"],
        "kfpHost": "http://ml-pipeline.kubeflow:8888",
        "upload": {"enabled": True, "names": ["imitation_audit", "another"]},
        "quota": {"enabled": True},
    },
    "objectStore": {"minio": {"storage": {"className": "fast"}, "nodeSelector": {"disk": "ssd"}}},
    "training": {"runtimes": {"enabled": True}},
    "sandbox": {"runtimeClassName": "gvisor", "runtimeClass": {"create": True}},
    "crowd": {
        "ingress": {
            "enabled": True,
            "className": "nginx",
            "host": "ratings.example.org",
            "annotations": {"cert-manager.io/issuer": "main"},
            "tlsSecret": "ratings-tls",
        }
    },
    "networkPolicies": {"storeFrom": ["kubeflow"], "monitoringFrom": "monitoring"},
    "monitoring": {
        "podMonitors": {"enabled": True, "labels": {"release": "prometheus"}},
        "alerts": {"enabled": True, "labels": {"release": "prometheus"}},
        "dashboard": {"enabled": True},
        "pushgateway": {"enabled": True},
    },
}

LITTLE: dict[str, Any] = {
    "crowd": {"enabled": False},
    "sandbox": {"enabled": False},
    "networkPolicies": {"enabled": False},
    "training": {"runtimes": {"enabled": False}},
    "pipelines": {"kfpExecutor": False},
    "objectStore": {"makeBucket": False},
}

ALL: dict[str, dict[str, Any]] = {
    "default": {},
    "external": EXTERNAL,
    "everything": EVERYTHING,
    "little": LITTLE,
}
