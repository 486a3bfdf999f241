import re
import tomllib
from pathlib import Path

import pytest
import yaml

from components.contracts.errors import UsageError
from images.versions import FILE, ROOT, read_versions

VERSIONS = read_versions()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins(path: Path) -> dict[str, str]:
    """Package -> version of a file of pins."""
    found = re.findall(r"^([a-z0-9-]+)==([^\s;\\]+)", path.read_text(), re.M)
    assert found, path
    return dict(found)


def extra(name: str) -> dict[str, str]:
    lines = PROJECT["project"]["optional-dependencies"][name]
    return dict(line.split("==") for line in lines if "==" in line)


def test_the_project_and_the_chart_have_our_version() -> None:
    assert PROJECT["project"]["version"] == VERSIONS["TOUCHSTONE_VERSION"]
    chart = ROOT / "charts" / "touchstone" / "Chart.yaml"
    assert yaml.safe_load(chart.read_text())["appVersion"] == VERSIONS["TOUCHSTONE_VERSION"]


def test_pyproject_and_constraints_have_the_same_torch_and_kfp() -> None:
    constraints = pins(ROOT / "constraints.txt")
    assert extra("train")["torch"] == extra("generate")["torch"] == constraints["torch"] == VERSIONS["TORCH_VERSION"]
    for name in ("run", "cluster"):
        assert extra(name)["kfp"] == constraints["kfp"] == VERSIONS["KFP_VERSION"]
    assert constraints["kubeflow-trainer-api"] == VERSIONS["TRAINER_VERSION"]


def test_the_python_of_the_images_is_one_the_project_runs_on() -> None:
    version = VERSIONS["PYTHON_VERSION"]
    assert VERSIONS["PYTHON_BASE"].partition(":")[2].startswith(f"{version}-")
    assert f">={version}" in PROJECT["project"]["requires-python"]


def test_images_with_pins_of_their_own_have_the_versions_named_here() -> None:
    tpu, vllm = (pins(ROOT / "images" / name / "requirements.txt") for name in ("train-tpu", "generate-cuda"))
    assert tpu["torch-xla"] == VERSIONS["TORCH_XLA_VERSION"]
    assert "torch" not in tpu, "torch is installed apart, as its CPU build"
    assert not [name for name in tpu if name.startswith("nvidia-")]
    assert f"torch=={VERSIONS['TPU_TORCH_VERSION']}\n" in (ROOT / "images/train-tpu/requirements.in").read_text()
    assert vllm["vllm"] == VERSIONS["VLLM_VERSION"]
    cuda = pins(ROOT / "images" / "train-cuda" / "requirements.txt")
    assert cuda["deepspeed"] == VERSIONS["DEEPSPEED_VERSION"]
    assert not set(cuda) & set(pins(ROOT / "constraints.txt")), "pinned twice"
    for pinned in (tpu, vllm):
        assert pinned["kfp"] == VERSIONS["KFP_VERSION"]
    assert pins(ROOT / "images" / "tools.txt")["uv"] == VERSIONS["UV_VERSION"]


@pytest.mark.parametrize("name", ["train-tpu", "generate-cuda"])
def test_pins_of_an_image_hold_what_the_project_needs_in_a_pod(name: str) -> None:
    project = PROJECT["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["cluster"]]
    names = {re.split(r"[<>=\[]", line)[0] for line in wanted}
    assert names <= set(pins(ROOT / "images" / name / "requirements.txt"))


@pytest.mark.parametrize("line", ["A = 1", 'A="1"', "A=1 2", "export A=1", "a=1", "A=", "A=1\nA=2"])
def test_a_line_that_a_shell_would_read_otherwise_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "versions.env"
    path.write_text(f"# comment\n\nB=1\n{line}\n")
    with pytest.raises(UsageError) as refused:
        read_versions(path)
    assert str(path) in refused.value.found


def test_no_version_is_there_for_nothing() -> None:
    users = [*(ROOT / "infra").rglob("*.sh"), *(ROOT / "images").rglob("*"), Path(__file__)]
    text = "\n".join(path.read_text() for path in users if path.is_file() and path.suffix != ".pyc")
    unused = [name for name in VERSIONS if name not in text and name not in (ROOT / "infra/README.md").read_text()]
    assert not unused, f"in {FILE.name} and used nowhere: {unused}"
