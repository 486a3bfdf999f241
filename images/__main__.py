"""python -m images: build the images of a checkout, and put them on a node without a registry."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from components.contracts.errors import TouchstoneError
from images.build import Request, build, load
from images.catalog import IMAGES, chosen
from images.engine import find_engine
from images.lock import read_lock
from images.values import chart_values
from images.versions import read_versions

PREFIX = "localhost/touchstone"


@click.group(epilog="Images: " + ", ".join(IMAGES))
def images() -> None:
    """Build Touchstone's images, and put them on a node."""


@images.command("build")
@click.argument("names", nargs=-1, required=True)
@click.option("--tag-prefix", default=PREFIX, show_default=True, help="Registry and folder: PREFIX/cpu.")
@click.option("--tag", help="Tag; default: the version in infra/versions.env.")
@click.option("--base", help="Base image, best with its digest; default: PYTHON_BASE in infra/versions.env.")
@click.option("--wheels", type=click.Path(path_type=Path), help="Folder of wheels, with torch's CPU build.")
@click.option("--torch-index", help="Address of an index with torch's CPU build.")
@click.option("--lock", type=click.Path(path_type=Path), help="images.lock to write or update.")
@click.option("--push", is_flag=True, help="Push to the registry in --tag-prefix; the lock gets its digests.")
@click.option("--cpu-only", is_flag=True, help="Let cpu-torch also train and generate.")
@click.option("--working-tree", is_flag=True, help="Build the files as they lie here, for a trial; refuses --push.")
@click.option("--no-cache", is_flag=True, help="Build every layer anew: the digests must come out the same.")
@click.option("--docker", help="Docker client; default: the first on the path that can build.")
def build_images(
    names: tuple[str, ...],
    tag_prefix: str,
    tag: str | None,
    base: str | None,
    wheels: Path | None,
    torch_index: str | None,
    lock: Path | None,
    push: bool,
    cpu_only: bool,
    working_tree: bool,
    no_cache: bool,
    docker: str | None,
) -> None:
    """Build NAMES from the last commit. Prints reference, size and layers, one line an image."""
    request = Request(
        images=tuple(chosen(names)),
        prefix=tag_prefix.rstrip("/"),
        tag=tag or read_versions()["TOUCHSTONE_VERSION"],
        base=base,
        wheels=wheels,
        torch_index=torch_index,
        lock=lock,
        push=push,
        cpu_only=cpu_only,
        working_tree=working_tree,
        cached=not no_cache,
    )
    for built in build(request, find_engine(docker)):
        layers = " + ".join(f"{size / 1e6:.1f}" for size in built.layers)
        click.echo(f"{built.reference}  {built.size / 1e6:.0f} MB = {layers}")


@images.command("load")
@click.argument("names", nargs=-1, required=True)
@click.option("--containerd", required=True, type=click.Path(path_type=Path), help="Socket of the node's containerd.")
@click.option("--tag-prefix", default=PREFIX, show_default=True, help="As built.")
@click.option("--tag", help="As built; default: the version in infra/versions.env.")
@click.option("--docker", help="Docker client; default: the first on the path that can build.")
def load_images(names: tuple[str, ...], containerd: Path, tag_prefix: str, tag: str | None, docker: str | None) -> None:
    """Import NAMES into a node's containerd, where pods then find them by the digests that `build` wrote."""
    version = tag or read_versions()["TOUCHSTONE_VERSION"]
    for reference in load(chosen(names), tag_prefix.rstrip("/"), version, containerd, find_engine(docker)):
        click.echo(reference)


@images.command("values")
@click.option("--lock", required=True, type=click.Path(path_type=Path), help="images.lock.")
def print_values(lock: Path) -> None:
    """Print the images of a lock as values for the chart: ... | helm upgrade --install ... --values -."""
    click.echo(chart_values(read_lock(lock)), nl=False)


if __name__ == "__main__":
    try:
        images(prog_name="python -m images")
    except TouchstoneError as error:
        click.echo(str(error), err=True)
        sys.exit(error.exit_code)
