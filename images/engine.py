"""The Docker engine, spoken to by its own client. Builds need BuildKit: `docker` with buildx, or one before 23."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from components.contracts.errors import TouchstoneError

# Since this client, BuildKit is a plug-in (buildx) that may be missing; before, an environment variable turns it on.
PLUGIN_SINCE = 23


class Engine:
    """A Docker client that can build.

    Args:
        program: Path of the client.
    """

    def __init__(self, program: str) -> None:
        self.program = program

    def run(self, *arguments: str, shown: bool = False) -> str:
        """Run a command of the client; returns what it printed.

        Args:
            arguments: Words behind `docker`.
            shown: Let a long command's progress go to standard error.

        Raises:
            TouchstoneError: it failed, with the end of its messages.
        """
        environment = os.environ | {"DOCKER_BUILDKIT": "1", "BUILDKIT_PROGRESS": "plain"}
        done = subprocess.run(
            [self.program, *arguments],
            env=environment,
            stdout=sys.stderr if shown else subprocess.PIPE,
            stderr=None if shown else subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            told = "see above" if shown else "\n".join((done.stderr or "").strip().splitlines()[-12:])
            raise TouchstoneError(f"docker {arguments[0]} failed: {told}", remedy="mend what it says and try again")
        return done.stdout or ""

    def inspect(self, reference: str) -> dict[str, Any] | None:
        """The engine's record of an image that it holds, or None."""
        done = subprocess.run(
            [self.program, "image", "inspect", reference], capture_output=True, text=True, check=False
        )
        if done.returncode:
            return None
        found: dict[str, Any] = json.loads(done.stdout)[0]
        return found

    def build(
        self,
        context: Path,
        dockerfile: str,
        target: str,
        tag: str,
        arguments: Mapping[str, str],
        *,
        cached: bool = True,
    ) -> None:
        """Build a target of a Dockerfile and tag it; from the cache of layers unless told otherwise.

        Raises:
            TouchstoneError: a step of the build failed.
        """
        given = [word for name, value in sorted(arguments.items()) for word in ("--build-arg", f"{name}={value}")]
        # Attestations carry the time of the build, and the SBOM is made inside, where it is the same every time.
        plugin = ["--load", "--provenance=false"] if self.has_plugin() else []
        places = ["-f", str(context / dockerfile), "--target", target, "-t", tag]
        anew = [] if cached else ["--no-cache"]
        self.run("build", "--network", "host", *plugin, *anew, *given, *places, str(context), shown=True)

    def save(self, reference: str, out: Path) -> None:
        """Write an image as an archive."""
        self.run("save", "-o", str(out), reference)

    def load(self, archive: Path) -> None:
        """Take an image from an archive; the names in it then mean that image."""
        self.run("load", "-q", "-i", str(archive))

    def remove_unnamed(self, identity: str) -> None:
        """Remove an image that has no name left; one that still has a name, or is in use, stays."""
        found = self.inspect(identity)
        if found is not None and not found.get("RepoTags"):
            subprocess.run([self.program, "image", "rm", identity], capture_output=True, check=False)

    def push(self, tag: str) -> str:
        """Push a tag; returns the reference by digest that the registry knows it by.

        Raises:
            TouchstoneError: no registry there, no right to it, or it told no digest.
        """
        self.run("push", tag, shown=True)
        repository = tag.rpartition(":")[0]
        found = (self.inspect(tag) or {}).get("RepoDigests") or []
        for reference in found:
            if str(reference).startswith(f"{repository}@sha256:"):
                return str(reference)
        raise TouchstoneError(f"the registry told no digest for {tag}", remedy="push again, or look at the registry")

    def has_plugin(self) -> bool:
        """Whether the client builds through buildx."""
        done = subprocess.run([self.program, "buildx", "version"], capture_output=True, check=False)
        return done.returncode == 0

    def can_build(self) -> bool:
        """Whether the client reaches BuildKit one way or the other."""
        if self.has_plugin():
            return True
        done = subprocess.run([self.program, "--version"], capture_output=True, text=True, check=False)
        words = done.stdout.replace(",", " ").split()
        major = next((word.split(".")[0] for word in words if word[0].isdigit()), "")
        return done.returncode == 0 and major.isdigit() and int(major) < PLUGIN_SINCE


def find_engine(program: str | None = None) -> Engine:
    """A client that can build: `program`, or the first such `docker` on the path.

    Raises:
        TouchstoneError: none can.
    """
    candidates = [program] if program else list(on_path("docker"))
    for candidate in candidates:
        try:
            if Engine(candidate).can_build():
                return Engine(candidate)
        except OSError as error:
            raise TouchstoneError(f"{candidate}: {error.strerror}", remedy="give --docker the client's path") from error
    raise TouchstoneError(
        f"no docker that can build: {', '.join(candidates) or 'none on the path'}",
        expected="a Docker client with the buildx plug-in, or one older than 23",
        remedy="install docker-buildx, or give --docker PATH",
    )


def on_path(program: str, folders: Sequence[str] | None = None) -> Iterator[str]:
    """Every executable of this name on the path, in order."""
    for folder in folders if folders is not None else os.environ.get("PATH", "").split(os.pathsep):
        path = Path(folder) / program
        if path.is_file() and os.access(path, os.X_OK):
            yield str(path)
