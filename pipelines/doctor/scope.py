"""What is to be checked, and what the checks share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipelines.cluster.profiles import Profile
from pipelines.doctor.api import Api, ApiProblem, Json
from pipelines.doctor.probes import Probes

RUNNER = "touchstone-runner"
SANDBOX_ACCOUNT = "sandbox"
CHART = "charts/touchstone"


@dataclass(frozen=True)
class Options:
    """What the command line asked for."""

    namespace: str
    """Where pipelines run."""
    profile: Profile
    """What tasks will ask of the nodes."""
    lock: Path
    """images.lock."""
    sandbox_namespace: str | None = None
    """Where generated code runs; None = as the ConfigMap says."""
    kubeconfig: Path | None = None
    """None = KUBECONFIG, then the user's own."""
    context: str | None = None
    """None = the kubeconfig's current context."""
    kfp_host: str | None = None
    """Address of Kubeflow Pipelines."""
    probe_image: str | None = None
    """Image of the probe pods, with Python in it; None = the lock's image of CPU steps."""
    trainjob: bool = False
    """Training on several nodes is wanted."""
    crowd: bool = False
    """The crowd service is wanted."""
    pods: bool = True
    """Whether pods may be created."""
    pod_seconds: float = 40.0
    """How long a probe pod may take to start and end."""


class Scope:
    """Options, the connection once there is one, and the probe pods."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.probes = Probes()
        self._api: Api | None = None

    @property
    def api(self) -> Api:
        """The cluster's API; checks that use it run after the one that connects."""
        assert self._api is not None, "a check that uses the API must need 'api'"
        return self._api

    def connected(self, api: Api) -> None:
        """State that the API server answers."""
        self._api = api
        self.probes.use(api)

    @property
    def namespace(self) -> str:
        """Where pipelines run."""
        return self.options.namespace

    def in_namespace(self, kind: str, name: str = "") -> str:
        """Path of core objects in the pipelines' namespace."""
        return f"/api/v1/namespaces/{self.namespace}/{kind}" + (f"/{name}" if name else "")

    def config_map(self) -> dict[str, str]:
        """The settings that tasks get; empty when the ConfigMap is missing."""
        return dict((self._object("configmaps", self.options.profile.config_map) or {}).get("data") or {})

    def sandbox_namespace(self) -> str | None:
        """Where generated code runs; None when the installation has no sandbox."""
        given = self.options.sandbox_namespace
        if given:
            return given
        settings = self.config_map()
        return settings.get("TOUCHSTONE_SANDBOX_NAMESPACE") or (None if settings else "touchstone-sandbox")

    def install_command(self, *values: str) -> str:
        """The command that installs or repairs what the chart owns."""
        settings = "".join(f" --set {value}" for value in values)
        # Values given at an earlier installation stay as they were.
        keep = "--create-namespace --reset-then-reuse-values"
        name, home = self._release()
        return f"helm upgrade --install {name} {CHART} --namespace {home} {keep}{settings}"

    def _release(self) -> tuple[str, str]:
        # The release may live in another namespace than the pipelines; helm notes it on what it made.
        try:
            settings = self._object("configmaps", self.options.profile.config_map) or {"metadata": {}}
        except ApiProblem:
            settings = {"metadata": {}}
        notes = settings["metadata"].get("annotations") or {}
        name = notes.get("meta.helm.sh/release-name", "touchstone")
        return name, notes.get("meta.helm.sh/release-namespace", self.namespace)

    def _object(self, kind: str, name: str) -> Json | None:
        return self.api.find(self.in_namespace(kind, name))
