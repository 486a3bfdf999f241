import re
from pathlib import Path

import pytest

from images.build import Base, Request, arguments
from images.catalog import IMAGES, Image
from images.context import Source
from images.versions import ROOT, read_versions

FILES = sorted((ROOT / "images").glob("*/Dockerfile"))
STAGE = re.compile(r"^FROM (?P<base>\S+) AS (?P<name>\S+)$")


def instructions(path: Path) -> list[str]:
    """Instructions with their continued lines, without comments."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    return [line for line in "\n".join(lines).replace("\\\n", " ").splitlines() if line.strip()]


def stages(path: Path) -> dict[str, tuple[str, list[str]]]:
    """Stage -> what it stands on, and its instructions."""
    found: dict[str, tuple[str, list[str]]] = {}
    current: list[str] = []
    for line in instructions(path):
        match = STAGE.match(line)
        if match:
            current = []
            found[match["name"]] = (match["base"], current)
        else:
            assert not line.startswith("FROM"), f"{path}: every stage has a name: {line}"
            current.append(line)
    return found


def lineage(path: Path, target: str) -> list[str]:
    """Instructions of a target and of the stages it stands on, first to last."""
    all_stages = stages(path)
    base, own = all_stages[target]
    return [*(lineage(path, base) if base in all_stages else []), *own]


def dockerfile(image: Image) -> Path:
    return ROOT / "images" / image.folder / "Dockerfile"


def given(image: Image) -> dict[str, str]:
    request = Request(images=(image,), prefix="a.org/t", tag="1", torch_index="ADDRESS")
    return arguments(image, request, Base("a@sha256:0", "a", "sha256:0", ()), Source("c" * 40, 0))


def test_every_image_of_the_catalogue_has_its_target_and_every_file_an_image() -> None:
    assert {image.name for image in IMAGES.values()} == set(IMAGES)
    for image in IMAGES.values():
        assert image.name in stages(dockerfile(image))
    assert {dockerfile(image) for image in IMAGES.values()} == set(FILES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_no_base_can_float(path: Path) -> None:
    assert "ARG BASE" in instructions(path), "the base is an argument without a default, which the build resolves"
    seen: set[str] = set()
    for name, (base, _) in stages(path).items():
        assert base in {"${BASE}", "scratch", *seen}, f"{name} stands on {base}"
        seen.add(name)
    for line in instructions(path):
        for source in re.findall(r"--from=(\S+)|from=([\w.-]+)", line):
            assert set(filter(None, source)) <= seen | {""}, line


@pytest.mark.parametrize("image", IMAGES.values(), ids=lambda image: image.name)
def test_the_user_is_a_number_and_not_root(image: Image) -> None:
    users = [line.split()[1] for line in lineage(dockerfile(image), image.name) if line.startswith("USER ")]
    assert users[-1] == "65532:65532"


@pytest.mark.parametrize("image", IMAGES.values(), ids=lambda image: image.name)
def test_nothing_is_installed_by_pip_in_an_image_and_no_pip_stays(image: Image) -> None:
    steps = lineage(dockerfile(image), image.name)
    for line in steps:
        assert not re.search(r"\bpip\b.*\binstall\b|\buv\b", line), line
        assert not re.match(r"(CMD|ENTRYPOINT) (?!\[)", line), f"{line}: a shell would stand before the program"
        assert "/opt/tools" not in line, f"{line}: tools stay in the stages that build"
    if stages(dockerfile(image))[image.name][0] != "scratch":
        assert any("rm -rf" in line and "/usr/local/bin/pip*" in line and "ensurepip" in line for line in steps)


@pytest.mark.parametrize("image", IMAGES.values(), ids=lambda image: image.name)
def test_the_environment_writes_nothing_outside_of_tmp(image: Image) -> None:
    text = "\n".join(lineage(dockerfile(image), image.name))
    variables = dict(re.findall(r"(\w+)=([^\s\"]+)", " ".join(re.findall(r"^ENV (.*)$", text, re.M))))
    assert variables["HOME"] == "/tmp"
    assert variables["PYTHONDONTWRITEBYTECODE"] == "1"
    for name, value in variables.items():
        if name.endswith(("_HOME", "_CACHE_DIR", "_CACHE_ROOT")):
            assert value.startswith("/tmp"), f"{name}={value}"


@pytest.mark.parametrize("image", IMAGES.values(), ids=lambda image: image.name)
def test_every_argument_is_given_and_everything_given_is_used(image: Image) -> None:
    # Shared by two targets: an argument of the one is not the other's.
    asked = {line.split()[1] for line in instructions(dockerfile(image)) if line.startswith("ARG ")}
    together: set[str] = set()
    for other in IMAGES.values():
        if other.folder == image.folder:
            together |= set(given(other))
    assert asked <= together
    assert set(image.versions) <= asked


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_no_dockerfile_has_a_default_or_a_version_of_its_own(path: Path) -> None:
    for line in instructions(path):
        if line.startswith("ARG "):
            assert "=" not in line, f"{line}: versions come from infra/versions.env"
        assert not re.search(r"[=@:]\d+\.\d+\.\d+\b", line), f"{line}: a version written down twice"


@pytest.mark.parametrize("image", IMAGES.values(), ids=lambda image: image.name)
def test_version_revision_date_and_base_are_on_the_label(image: Image) -> None:
    labels = " ".join(line for line in stages(dockerfile(image))[image.name][1] if line.startswith("LABEL "))
    for name, argument in (
        ("version", "VERSION"),
        ("revision", "REVISION"),
        ("created", "CREATED"),
        ("base.digest", "BASE_DIGEST"),
    ):
        assert f'org.opencontainers.image.{name}="${{{argument}}}"' in labels
    assert f'org.opencontainers.image.title="touchstone/{image.name}"' in labels
    assert given(image)["VERSION"] == read_versions()["TOUCHSTONE_VERSION"]
