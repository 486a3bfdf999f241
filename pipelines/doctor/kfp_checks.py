"""Kubeflow Pipelines' server, as `touchstone submit` will reach it."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from importlib.metadata import version as installed_version

from components.contracts import environment
from pipelines.doctor.finding import Finding, failed, ok, skipped, warning
from pipelines.doctor.scope import Scope

SECONDS = 5.0
FORWARD = "kubectl port-forward -n kubeflow svc/ml-pipeline 8888:8888"


def check_kubeflow(scope: Scope) -> list[Finding]:
    """The server answers and is not older than the pipelines' compiler."""
    host = scope.options.kfp_host or environment.kfp_host()
    if not host:
        remedy = f"{FORWARD}; touchstone doctor --kfp-host http://127.0.0.1:8888"
        return [skipped(f"neither --kfp-host nor {environment.KFP_HOST} names a server", remedy=remedy)]
    address = host if "://" in host else f"http://{host}"
    expected = "the API of Kubeflow Pipelines, such as http://127.0.0.1:8888 after a port-forward"
    try:
        with urllib.request.urlopen(f"{address.rstrip('/')}/apis/v2beta1/healthz", timeout=SECONDS) as answer:
            told = json.loads(answer.read())
            version = str(told["tag_name"])
    except urllib.error.HTTPError as error:
        remedy = "log in, or go past the proxy: " + FORWARD if error.code in (401, 403) else FORWARD
        return [failed(f"{address} answers {error.code}: {error.reason}", expected=expected, remedy=remedy)]
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        said = "something else than its health" if isinstance(error, ValueError) else f"no answer: {reason}"
        return [failed(f"{address}: {said}", expected=expected, remedy=FORWARD)]
    except (KeyError, TypeError):
        return [failed(f"{address} does not tell its version", expected=expected, remedy=FORWARD)]
    return [judge_version(version, installed_version("kfp"), address)]


def judge_version(server: str, compiler: str, address: str) -> Finding:
    """Whether a server understands what this compiler writes."""
    theirs, ours = _number(server), _number(compiler)
    upgrade = (
        f'kubectl apply -k "github.com/kubeflow/pipelines/manifests/kustomize/env/platform-agnostic?ref={compiler}"'
    )
    if theirs is None or ours is None:
        return warning(f"{address} runs version {server!r}", expected=f"{compiler} or newer", remedy=upgrade)
    if theirs[0] != ours[0]:
        return failed(f"{address} runs {server}", expected=f"version {ours[0]}, {compiler} or newer", remedy=upgrade)
    if theirs < ours:
        expected = f"{compiler} or newer: an older server may not know a setting that the compiler writes"
        return warning(f"{address} runs {server}", expected=expected, remedy=upgrade)
    return ok(f"{address} runs {server}")


def _number(text: str) -> tuple[int, int] | None:
    found = re.match(r"v?(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None
