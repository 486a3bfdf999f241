"""The backend `hf`: cuts requests into units, has each run, and keeps what is finished.

A run is a plan (which requests are answered together, and how many rows a batch may have) and the answers of its units.
Both are journalled, so that a run that was killed goes on with the same units and batches. Where memory ends, batches
of that kind get half the rows from then on, which is journalled too.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import transformers
from tqdm import tqdm

from components.contracts.errors import UsageError
from components.contracts.journal import Journal
from components.contracts.rows import ChoiceScore, Completion, Request, TextScore
from components.generate.backend import Answers
from components.generate.hf import checkpoint
from components.generate.hf.checkpoint import LoadedModel
from components.generate.hf.records import Plan, Records
from components.generate.hf.station import RUNNERS, Crew, Job, Station, lowered
from components.generate.hf.work import Answer, Counts, Kind
from components.generate.hf.workers import Spec, Workers


class HfBackend:
    """Answers requests with a transformers causal LM, on all GPUs where there are any."""

    def __init__(
        self,
        folder: Path | LoadedModel,
        journal: Journal | None = None,
        *,
        batch_size: int = 0,
        devices: Sequence[str] = (),
        dtype: str = "auto",
        plain_chat: str = "",
    ) -> None:
        """Load model and tokenizer from `folder`; with several devices, only what planning needs.

        Args:
            folder: A Hugging Face directory, or what was loaded from one; the device and data type are then its own.
            journal: Where finished units are kept; None = nowhere.
            batch_size: Rows of a batch at most; 0 = as many as suit the device.
            devices: A copy of the model runs on each; empty = every GPU, else the CPU.
            dtype: Of the weights; auto = the checkpoint's own on a GPU, float32 on the CPU.
            plain_chat: How a message is put to a checkpoint without chat template.

        Raises:
            UsageError: a device that this machine does not have, or devices of several kinds.
            TouchstoneError: the folder does not hold a causal LM that can be loaded.
        """
        self.batch_size = batch_size
        self._records = Records(journal)
        self._folder, self._plain_chat = str(folder), plain_chat
        self.devices: tuple[str, ...]
        if isinstance(folder, LoadedModel):
            self.devices, self._dtype = (str(folder.device),), str(folder.model.dtype).removeprefix("torch.")
            self.loaded = folder
        else:
            self.devices = chosen_devices(devices)
            on_cpu = self.devices[0].startswith("cpu")
            # A journal's data type goes on, whatever device it goes on with.
            recorded = self._records.setting().get("dtype")
            self._dtype = recorded or ("float32" if dtype == "auto" and on_cpu else dtype)
            self.loaded = self._load(folder)
        self.model, self.tokenizer = self.loaded.model, self.loaded.tokenizer

    def _load(self, folder: Path) -> LoadedModel:
        if len(self.devices) > 1:
            return checkpoint.skeleton(folder, plain_chat=self._plain_chat)
        dtype = checkpoint.dtype_of(self._dtype)
        return checkpoint.load(folder, self.devices[0], dtype=dtype, plain_chat=self._plain_chat)

    def answer(self, requests: Sequence[Request], model: str) -> Answers:
        """Answer all requests; order of the answers = order of the requests of each kind.

        Raises:
            TouchstoneError: a request that cannot be answered, memory that does not do for a single row, or workers
                that die; finished units stay in the journal.
        """
        with self._crew(model) as crew:
            plan = self._plan(requests, crew)
            run = _Run(requests, plan, self._records)
            kept = [number for number in range(len(plan.units)) if self._records.has(number)]
            found: dict[int, Answer] = {}
            counts = Counts()
            with tqdm(total=len(requests), desc="answering", disable=None, leave=False) as bar:
                for number in kept:
                    done = self._records.done(number, plan.units[number], requests, model)
                    found.update(zip(plan.units[number].requests, done.answers, strict=True))
                    counts.add(done.counts)
                bar.update(len(found))
                for job, done in crew.run(sorted({*range(len(plan.units))} - {*kept}), run):
                    self._records.keep(job.number, done, job.rows)
                    found.update(zip(plan.units[job.number].requests, done.answers, strict=True))
                    counts.add(done.counts)
                    bar.update(len(done.answers))
            told = {"units": len(plan.units), "units_reused": len(kept), "out_of_memory": run.num_lowered}
            told["workers_lost"] = crew.num_deaths
        rows = [found[index] for index in sorted(found)]
        return Answers(
            [row for row in rows if isinstance(row, Completion)],
            [row for row in rows if isinstance(row, ChoiceScore)],
            [row for row in rows if isinstance(row, TextScore)],
            notes=self._notes(plan),
            metrics={**counts.metrics(), **{name: float(count) for name, count in told.items()}},
        )

    def _crew(self, model: str) -> Crew:
        if len(self.devices) == 1:
            return Station(self.loaded, model)
        num_cpu = sum(device.startswith("cpu") for device in self.devices)
        threads = max(1, torch.get_num_threads() // num_cpu) if num_cpu else 0
        return Workers(Spec(self._folder, self._dtype, self._plain_chat, model, threads), self.devices)

    def _plan(self, requests: Sequence[Request], crew: Crew) -> Plan:
        """The recorded plan, or a new one, recorded."""
        known = self._records.plan(requests)
        if known is not None:
            return known
        units = tuple(
            unit
            for kind, runner in RUNNERS.items()
            for unit in runner.plan(self.loaded, requests, [i for i, r in enumerate(requests) if r.kind == kind])
        )
        rows = [self.batch_size] * len(units)
        # Only some runners look at the device; the others' requests need not go to a worker for that.
        open_units = [n for n, u in enumerate(units) if not self.batch_size and hasattr(RUNNERS[u.kind], "rows_for")]
        asked = [(units[n].kind, [requests[position] for position in units[n].requests]) for n in open_units]
        for number, chosen in zip(open_units, crew.rows(asked) if asked else [], strict=True):
            rows[number] = chosen
        plan = Plan(units, tuple(rows), self._setting())
        self._records.keep_plan(plan, requests)
        return plan

    def _setting(self) -> dict[str, str]:
        return {
            "dtype": self._dtype,
            "device": self.devices[0].partition(":")[0],
            "torch": str(torch.__version__),
            "transformers": str(transformers.__version__),
        }

    def _notes(self, plan: Plan) -> Mapping[str, object]:
        """What the numbers depend on. A run that was continued with something else says both."""
        now = self._setting()
        differing = {name: value for name, value in now.items() if plan.setting.get(name) != value}
        if differing:
            told = ", ".join(
                f"{name} {plan.setting.get(name)} before and {value} now" for name, value in differing.items()
            )
            sys.stderr.write(f"part of the answers was made with another setting ({told})\n")
        return {**plan.setting, **({"continued_with": differing} if differing else {})}


class _Run:
    """The jobs of a run, and the limits on their rows."""

    def __init__(self, requests: Sequence[Request], plan: Plan, records: Records) -> None:
        self._requests = requests
        self._plan = plan
        self._records = records
        self._limits: dict[Kind, int | None] = {kind: records.limit(kind) for kind in RUNNERS}
        self.num_lowered = 0

    def job(self, number: int) -> Job:
        """See `Jobs`."""
        unit, rows = self._plan.units[number], self._plan.rows[number]
        limit = self._limits[unit.kind]
        if limit is not None:
            rows = min(rows, limit) if rows else limit
        return Job(number, unit.kind, [self._requests[position] for position in unit.requests], rows)

    def lower(self, job: Job, device: str) -> None:
        """See `Jobs`."""
        rows = lowered(job, device)
        self.num_lowered += 1
        # Two workers may run out of memory over batches of the same size; the second changes nothing.
        limit = self._limits[job.kind]
        self._limits[job.kind] = rows if limit is None else min(rows, limit)
        self._records.lower(job.kind, rows)
        sys.stderr.write(f"the memory of {device} ended; batches now have {rows} rows at most\n")


def chosen_devices(named: Sequence[str]) -> tuple[str, ...]:
    """Devices to run on: those named, or every GPU, or the CPU.

    Raises:
        UsageError: a device that is not there, or devices of several kinds, whose numbers would differ.
    """
    num_gpus = torch.cuda.device_count()
    if not named:
        return tuple(f"cuda:{index}" for index in range(num_gpus)) or ("cpu",)
    there = ["cpu", *(f"cuda:{index}" for index in range(num_gpus)), *(["cuda"] if num_gpus else [])]
    if unknown := [device for device in named if device not in there]:
        raise UsageError(
            f"there is no device {unknown[0]}",
            expected=", ".join(there),
            remedy="name devices of this machine, or none",
        )
    if len({device.partition(":")[0] for device in named}) > 1:
        raise UsageError(f"devices {', '.join(named)} are of several kinds", expected="CPUs only, or GPUs only")
    return tuple(named)
