import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from images.versions import ROOT, read_versions
from pipelines.cluster.profiles import load_profile

INFRA = ROOT / "infra"
SCRIPTS = sorted(INFRA.rglob("*.sh"))
VALUES = sorted(INFRA.rglob("values.yaml"))
CHART = ROOT / "charts" / "touchstone"
PLACES = [*INFRA.rglob("*"), *(ROOT / "images").rglob("*")]


def name_of(path: Path) -> str:
    return path.relative_to(INFRA).as_posix()


def merged(base: Any, over: Any) -> Any:
    """Values as Helm merges them: mappings key by key, anything else replaced."""
    if isinstance(base, Mapping) and isinstance(over, Mapping):
        return {key: merged(base.get(key), over[key]) if key in over else base[key] for key in {**base, **over}}
    return over


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_a_script_is_executable_and_bash_reads_it(path: Path) -> None:
    assert os.access(path, os.X_OK)
    text = path.read_text()
    assert text.startswith("#!/usr/bin/env bash\n# ")
    assert "\nset -euo pipefail\n" in text
    subprocess.run(["bash", "-n", str(path)], check=True)


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_a_script_names_only_versions_that_there_are(path: Path) -> None:
    used = set(re.findall(r"\$\{?([A-Z_]*(?:VERSION|_IMAGE))\b", path.read_text()))
    assert used <= set(read_versions())
    assert not re.search(r"\bv?\d+\.\d+\.\d+\b(?!\.\d)", path.read_text().replace("127.0.0.1", "")), "a version"


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="the program shellcheck is not on PATH")
@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_shellcheck_finds_nothing(path: Path) -> None:
    subprocess.run(["shellcheck", "-x", "-P", "SCRIPTDIR", path.name], cwd=path.parent, check=True)


@pytest.mark.parametrize("path", VALUES, ids=name_of)
def test_values_fit_the_chart(path: Path) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    jsonschema.validate(merged(defaults, yaml.safe_load(path.read_text())), schema)


@pytest.mark.parametrize("path", VALUES, ids=name_of)
@pytest.mark.skipif(shutil.which("helm") is None, reason="the program helm is not on PATH")
def test_the_chart_renders_with_the_values(path: Path) -> None:
    environment = os.environ | {"KUBECONFIG": os.devnull}
    done = subprocess.run(
        ["helm", "template", "touchstone", str(CHART), "--values", str(path), "--kube-version", "1.34.0"],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert list(yaml.safe_load_all(done.stdout))


def test_pools_bear_what_the_profiles_of_the_pipelines_ask_for() -> None:
    gpu, tpu = load_profile("gpu").train, load_profile("tpu").train
    labels = ",".join(f"{name}={value}" for name, value in gpu.node_selector.items())
    assert f"--node-labels {labels}" in (INFRA / "gke" / "gpu-pool.sh").read_text()
    assert f'label node --overwrite "$@" {labels}' in (INFRA / "plain" / "gpu-node.sh").read_text()
    assert {toleration.key for toleration in gpu.tolerations} == {"nvidia.com/gpu"}
    text = (INFRA / "gke" / "tpu-pool.sh").read_text()
    assert tpu.node_selector["cloud.google.com/gke-tpu-accelerator"] in text
    assert tpu.accelerator is not None
    assert f"ct5lp-hightpu-{tpu.accelerator.count}t" in text
    assert tpu.node_selector["cloud.google.com/gke-tpu-topology"] in text
    values = yaml.safe_load((INFRA / "gke" / "values.yaml").read_text())["training"]["runtimes"]["tpu"]
    assert values["accelerator"] == tpu.node_selector["cloud.google.com/gke-tpu-accelerator"]


def test_no_file_names_a_folder_of_some_machine() -> None:
    for path in PLACES:
        if path.is_file() and path.suffix != ".pyc":
            assert not re.search(r"/(work|home|Users)/", path.read_text()), path
