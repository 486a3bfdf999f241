from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pipelines.cluster.profiles import load_profile
from pipelines.doctor.api import Api
from pipelines.doctor.scope import Options, Scope
from tests.unit.doctor.api_server import Answer, ApiServer, served

NAMESPACE = "lab"


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[Scope, ApiServer]]]:
    """Makes a cluster out of recorded answers, and a scope that is connected to it."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "TOUCHSTONE_KFP_HOST"):
        monkeypatch.delenv(name, raising=False)
    with ExitStack() as stack:

        def make(answers: dict[str, Answer] | None = None, **options: Any) -> tuple[Scope, ApiServer]:
            server = ApiServer(answers or {})
            stack.enter_context(served(server.server))
            given = {
                "namespace": NAMESPACE,
                "profile": load_profile("cpu"),
                "lock": tmp_path / "images.lock",
                **options,
            }
            scope = Scope(Options(kubeconfig=server.kubeconfig(tmp_path), **given))
            scope.connected(Api.connect(scope.options.kubeconfig, None))
            return scope, server

        yield make
