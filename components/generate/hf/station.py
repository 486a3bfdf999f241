"""A model on one device, and the units that are run there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import NamedTuple, Protocol, Self

import torch

from components.contracts.errors import TouchstoneError
from components.contracts.rows import Request
from components.generate.hf import checkpoint, choices, completions, texts
from components.generate.hf.checkpoint import LoadedModel
from components.generate.hf.memory import free_caches, is_out_of_memory
from components.generate.hf.work import Done, Kind

RUNNERS: Mapping[Kind, ModuleType] = {"choice": choices, "completion": completions, "text": texts}
"""Kind of request -> the module that plans and runs it."""


class Job(NamedTuple):
    """A unit that is to be run."""

    number: int
    """Place in the plan."""
    kind: Kind
    requests: Sequence[Request]
    rows: int
    """Rows of a batch at most; 0 = as the runner likes."""

    @property
    def most_rows(self) -> int:
        """Rows that the unit can have in one batch, whatever is allowed."""
        wanted = sum(max(1, len(request.choices)) for request in self.requests)
        return max(1, min(self.rows or int(getattr(RUNNERS[self.kind], "ROWS", 256)), wanted))


class LostDeviceError(TouchstoneError):
    """The device fails, and will go on failing for this process."""

    def __init__(self, found: str, *, expected: str = "", remedy: str = "") -> None:
        """Say what the device's driver says."""
        again = "run the same command again, on another device if it goes on: what is finished is kept"
        super().__init__(found, expected=expected or "a device that works", remedy=remedy or again)


class Jobs(Protocol):
    """What whoever runs units asks the engine."""

    def job(self, number: int) -> Job:
        """A unit, with the rows that it may have now."""

    def lower(self, job: Job, device: str) -> None:
        """Memory of `device` ended over a job; the next `job` of its kind has fewer rows.

        Raises:
            TouchstoneError: it had a single row.
        """


class Crew(ABC):
    """Whoever runs units: one station here, or a process for each device. Use as a context manager."""

    num_deaths: int = 0
    """Workers that ended before they were told to."""

    @abstractmethod
    def rows(self, units: Sequence[tuple[Kind, Sequence[Request]]]) -> list[int]:
        """Rows of a batch that suit each unit on a device of the crew; of kinds whose runner has `rows_for`."""

    @abstractmethod
    def run(self, numbers: Sequence[int], jobs: Jobs) -> Iterator[tuple[Job, Done]]:
        """Run units; gives each as it ends, in any order.

        Raises:
            TouchstoneError: a device fails, memory ends with a single row, or what a runner raises.
        """

    def close(self) -> None:  # noqa: B027 - a station has nothing to let go of
        """Let go of everything."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Station(Crew):
    """A loaded model and what is done with it."""

    def __init__(self, loaded: LoadedModel, model: str = "") -> None:
        """Run units on `loaded`; answers carry the name `model`."""
        self.loaded = loaded
        self.model = model

    @classmethod
    def load(cls, folder: str, device: str, dtype: str, plain_chat: str) -> Station:
        """Load a checkpoint; see `checkpoint.load` for what it raises."""
        return cls(checkpoint.load(folder, device, dtype=checkpoint.dtype_of(dtype), plain_chat=plain_chat))

    def rows(self, units: Sequence[tuple[Kind, Sequence[Request]]]) -> list[int]:
        """See `Crew`."""
        return [int(RUNNERS[kind].rows_for(self.loaded, requests)) for kind, requests in units]

    def run(self, numbers: Sequence[int], jobs: Jobs) -> Iterator[tuple[Job, Done]]:
        """See `Crew`."""
        for number in numbers:
            while (done := self.attempt(job := jobs.job(number))) is None:
                jobs.lower(job, str(self.loaded.device))
            yield job, done

    def attempt(self, job: Job) -> Done | None:
        """Run a unit; None when memory ended.

        Raises:
            LostDeviceError: the device failed.
        """
        try:
            done: Done = RUNNERS[job.kind].run(self.loaded, job.requests, self.model, job.rows)
            return done
        except RuntimeError as error:
            if not is_out_of_memory(error):
                if isinstance(error, torch.AcceleratorError):
                    raise LostDeviceError(f"{self.loaded.device} failed: {str(error).splitlines()[0]}") from error
                raise
        except MemoryError:
            pass
        free_caches()
        return None


def lowered(job: Job, device: str) -> int:
    """Rows to try next after memory ended.

    Raises:
        TouchstoneError: it was a single row.
    """
    tried = job.most_rows
    if tried == 1:
        raise TouchstoneError(
            f"the memory of {device} ended with a single row, at request {job.requests[0].id} or one beside it",
            expected="memory for the weights and one row",
            remedy="use dtype bfloat16, a device with more memory, shorter prompts, or backend vllm, which can spread "
            "a model over several GPUs; what is finished is kept",
        )
    return tried // 2
