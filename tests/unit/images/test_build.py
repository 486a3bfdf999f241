from pathlib import Path

import pytest
import yaml

from components.contracts import images
from components.contracts.errors import TouchstoneError, UsageError
from images.build import Built, Request, entries, refuse
from images.catalog import IMAGES, Image, chosen
from images.engine import find_engine, on_path
from images.values import chart_values
from images.versions import read_versions
from pipelines.cluster.image_lock import NEEDED

DIGEST = "@sha256:" + "ab" * 32


def built(*names: str) -> list[Built]:
    return [Built(IMAGES[name], f"a.org/t/{name}{DIGEST}", 1, (1,)) for name in names]


def client(path: Path, version: str, *, plugin: bool) -> Path:
    """A program that answers as Docker's client does when it is asked for its version and for buildx."""
    path.parent.mkdir(parents=True, exist_ok=True)
    status = 0 if plugin else 1
    path.write_text(f'#!/bin/sh\n[ "$1" = buildx ] && exit {status}\necho "Docker version {version}, build 1"\n')
    path.chmod(0o755)
    return path


def test_a_lock_for_accelerators_and_one_without_have_all_that_pipelines_need() -> None:
    gpu = entries(built("cpu", "train-cuda", "generate-cuda"), cpu_only=False)
    assert set(NEEDED) <= set(gpu)
    assert gpu[images.TRAIN] == f"a.org/t/train-cuda{DIGEST}"
    cpu = entries(built("cpu", "cpu-torch"), cpu_only=True)
    assert set(NEEDED) <= set(cpu)
    assert cpu[images.TRAIN] == cpu[images.GENERATE] == f"a.org/t/cpu-torch{DIGEST}"


def test_without_cpu_only_the_cpu_image_does_not_stand_for_training() -> None:
    assert images.TRAIN not in entries(built("cpu", "cpu-torch"), cpu_only=False)


def test_an_unknown_image_is_told_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="train-gpu") as refused:
        chosen(("cpu", "train-gpu"))
    assert "train-cuda" in refused.value.expected


@pytest.mark.parametrize("name", ["cpu-torch", "train-tpu"])
def test_a_missing_cpu_wheel_is_told_before_anything_is_built(name: str, tmp_path: Path) -> None:
    image = IMAGES[name]
    version = read_versions()[str(image.cpu_torch)]
    (tmp_path / "torch-1.0.0+cpu-cp311-cp311-linux_x86_64.whl").touch()
    request = Request(images=(image,), prefix="a.org/t", tag="1", wheels=tmp_path)
    with pytest.raises(UsageError, match=version.replace(".", r"\.")):
        refuse(request)
    (tmp_path / f"torch-{version}+cpu-cp311-cp311-linux_x86_64.whl").touch()
    refuse(request)
    refuse(Request(images=(image,), prefix="a.org/t", tag="1", torch_index="ADDRESS"))


def test_uncommitted_files_never_go_to_a_registry() -> None:
    request = Request(images=chosen_cpu(), prefix="a.org/t", tag="1", push=True, working_tree=True)
    with pytest.raises(UsageError, match="--working-tree"):
        refuse(request)


def chosen_cpu() -> tuple[Image, ...]:
    return (IMAGES["cpu"],)


def test_the_first_client_that_reaches_buildkit_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lame = client(tmp_path / "a" / "docker", "28.2.2", plugin=False)
    old = client(tmp_path / "b" / "docker", "20.10.24+dfsg1", plugin=False)
    new = client(tmp_path / "c" / "docker", "28.2.2", plugin=True)
    monkeypatch.setenv("PATH", ":".join(str(path.parent) for path in (lame, old, new)))
    assert list(on_path("docker")) == [str(lame), str(old), str(new)]
    assert find_engine().program == str(old)
    assert find_engine(str(new)).program == str(new)
    with pytest.raises(TouchstoneError, match="can build"):
        find_engine(str(lame))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TouchstoneError, match="none on the path"):
        find_engine()


def test_a_client_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(TouchstoneError, match="No such file"):
        find_engine(str(tmp_path / "docker"))


def test_chart_values_name_repository_and_digest_of_what_the_lock_has() -> None:
    lock = dict(entries(built("cpu", "cpu-torch", "sandbox"), cpu_only=True))
    values = yaml.safe_load(chart_values(lock))
    assert values["imageRegistry"] == ""
    assert values["images"]["sandbox"] == {"repository": "a.org/t/sandbox", "digest": DIGEST.removeprefix("@")}
    assert values["images"]["train"]["repository"] == "a.org/t/cpu-torch"
    assert set(values["images"]) == {"cpu", "train", "generate", "sandbox"}
