"""A sweep's materials where they are not the embedded world's: models, data and benchmarks that a person has."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from components.contracts import canonical, environment
from components.contracts import manifest as manifests
from components.contracts.errors import UsageError
from pipelines.study_config import Struct


class _Declared(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Model(_Declared):
    """Where a model comes from: one of the two."""

    artifact: str = ""
    """A checkpoint artifact: a folder, or an address such as s3://bucket/llama-7b."""
    source: str = ""
    """A Hugging Face folder, or a repository on the Hub."""
    revision: str = ""
    """Of a repository: its commit."""
    generate: Struct = Field(default_factory=dict)
    """Parameters of generate that differ for this model, such as backend and api of one behind a server."""

    @property
    def served(self) -> bool:
        """Whether it is behind a server, and has no checkpoint here."""
        return self.generate.get("backend") in ("api", "vllm")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (bool(self.artifact) + bool(self.source)) != (0 if self.served else 1):
            raise UsageError(
                f"a model has artifact {self.artifact or '(none)'} and source {self.source or '(none)'}",
                expected="one of the two; neither for a model behind a server (generate: {backend: api, api: ...})",
            )
        return self

    def fetching(self, name: str) -> Struct:
        """Parameters of `fetch_checkpoint`; the files' sizes and times stand for a folder's content."""
        here = Path(self.source).expanduser()
        if not here.is_dir():
            return {"name": name, "source": self.source, "revision": self.revision}
        seen = [[p.name, p.stat().st_size, p.stat().st_mtime_ns] for p in sorted(here.iterdir()) if p.is_file()]
        return {"name": name, "source": str(here.resolve()), "seen": canonical.digest(seen)}


class Sources(_Declared):
    """What a sweep of one's own models begins with. Artifacts are folders or addresses (s3://)."""

    bases: dict[str, Model]
    """By name; the sweep's axis `bases` names some of them."""
    target: Model
    """The model that was imitated."""
    judge: Model | None = None
    """A checkpoint, whose likelihoods judge, or a model behind a server, which writes verdicts in both orders and is
    tried on placebos among the rest; null = nobody is asked whom they prefer."""
    dialogues: dict[str, str]
    """Imitation data by name, as `touchstone data ingest` writes them."""
    texts: dict[str, str] = Field(default_factory=dict)
    """Base -> pre-training texts (TextRow), for arms that replay."""
    items: str
    """Benchmark items, as `touchstone evaluate` leaves them in its folder."""
    heldout: str
    """Open-ended prompts, from the same place."""


def absolute(place: str) -> str:
    """An artifact's place as tasks see it, which run in other folders."""
    return place if environment.is_address(place) else str(Path(place).expanduser().resolve())


def check_artifacts(sources: Sources) -> None:
    """Refuse what a run would only find missing later. Addresses are read where the run can reach them.

    Raises:
        UsageError: a folder is no artifact.
    """
    places = [sources.items, sources.heldout, *sources.dialogues.values(), *sources.texts.values()]
    models = [*sources.bases.values(), sources.target, *([sources.judge] if sources.judge else [])]
    for place in (*places, *(model.artifact for model in models if model.artifact)):
        if not environment.is_address(place) and not (Path(absolute(place)) / manifests.FILE_NAME).is_file():
            raise UsageError(
                f"{place} is no artifact: it has no {manifests.FILE_NAME}",
                expected="a folder that a step or a command of Touchstone wrote, or an address",
                remedy="touchstone data ingest writes dialogues, touchstone evaluate items and held-out prompts",
            )
