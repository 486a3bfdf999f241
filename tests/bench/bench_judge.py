"""Judging without the judge: what making questions, keeping replies and reading verdicts costs a pair.

The judge is a server of its own process on loopback that answers at once with the last line of its prompt: of our
template that is a verdict, so every reply is read. What is left is ours: two questions a pair from the template, the
wire, the journal and its ledger, the rows and their digests, the reading, the judgments. What counts is the processor's
time in this process, which the server's is not in; what passes on the clock, waiting for the disk and the server's
share in it included, and the same work without a server are in the note. Beside it the official client sends the same
requests by as many threads, and keeps nothing but the texts. Turn by turn, five times over: medians, and beside ours
the least and the most.
"""

import gc
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from components.contracts import bind
from components.contracts.evidence_rows import Judgment
from components.contracts.ports import Input, Output
from components.contracts.rows import Completion, Request
from components.generate.step import generate
from components.judge.step import prepare_verdicts, read_verdicts

PAIRS = 700
ROUNDS = 5
THREADS = 16
MOST_MILLISECONDS = 2.0
WHO = {"judge": "target-2024-05-13"}
Ask = Callable[[Request], str | None]
PORTS = ("candidate", "reference", "requests", "pairs", "completions", "judgments", "replies")


class Spent(NamedTuple):
    """Seconds of this process's processor, of all its threads, and seconds that passed."""

    busy: float
    passed: float


class Judged(NamedTuple):
    spent: Spent
    metrics: dict[str, float]


def run() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name, _server() as (url, ended), _official(url) as ask:
        api = {"base_url": url, "model": WHO["judge"], "concurrency": THREADS}
        generation = {"backend": "api", "api": api}
        _round(Path(name) / "warm", generation, ask, THREADS)
        # What is in memory by now, of the official client above all, is not looked over by each garbage collection.
        gc.collect()
        gc.freeze()
        rounds = [_round(Path(name) / str(number), generation, ask, PAIRS) for number in range(ROUNDS)]
        gc.unfreeze()
        served = 1e3 * ended() / (4 * THREADS + 4 * ROUNDS * PAIRS)
    plain, ours, theirs = (Figures.of(spent) for spent in zip(*(made.spent for made in rounds), strict=True))
    return {
        "work": f"{PAIRS:,} pairs of answers of 250 words on average, both orders, behind a server",
        "ours_s": round(ours.busy.median * PAIRS / 1e3, 3),
        "reference": f"openai {version('openai')}, {THREADS} threads, the requests alone",
        "reference_s": round(theirs.busy.median * PAIRS / 1e3, 3),
        "equal": all(made.same for made in rounds) and ours.busy.median < MOST_MILLISECONDS,
        "note": f"medians of {ROUNDS} rounds, ms a pair of two requests; processor time: {ours.busy} (at most"
        f" {MOST_MILLISECONDS:g}), {theirs.busy.median:.2f} by the official client, {plain.busy.median:.2f} without a"
        f" server; passed: {ours.passed} beside {theirs.passed.median:.2f}; the server itself {2 * served:.2f}",
    }


class Middle(NamedTuple):
    """Milliseconds a pair, over the rounds."""

    least: float
    median: float
    most: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.least:.2f} to {self.most:.2f})"

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Middle":
        each = [1e3 * value / PAIRS for value in seconds]
        return cls(min(each), statistics.median(each), max(each))


class Figures(NamedTuple):
    busy: Middle
    passed: Middle

    @classmethod
    def of(cls, rounds: Sequence[Spent]) -> "Figures":
        return cls(Middle.of([spent.busy for spent in rounds]), Middle.of([spent.passed for spent in rounds]))


class Round(NamedTuple):
    spent: tuple[Spent, Spent, Spent]
    """Without a server, with it, and by the official client."""
    same: bool


def _round(folder: Path, generation: dict[str, Any], ask: Ask, num_pairs: int) -> Round:
    for part in ("plain", "served"):
        _write_answers(folder / part, num_pairs)
    plain, ours = _judged(folder / "plain", {"backend": "echo"}), _judged(folder / "served", generation)
    requests = Input(folder / "served/requests", Request).rows()
    said = {row.prompt_id: row.text for row in Input(folder / "served/completions", Completion).iter_rows()}
    spent: list[Spent] = []
    with ThreadPoolExecutor(THREADS) as threads, _timed(spent):
        texts = dict(zip([request.id for request in requests], threads.map(ask, requests), strict=True))
    wanted = {"pairs": num_pairs, "ties": num_pairs, "unscored": 0}
    right = all(judged.metrics[key] == wanted[key] for judged in (plain, ours) for key in wanted)
    return Round((plain.spent, ours.spent, spent[0]), right and texts == said)


@contextmanager
def _server() -> Iterator[tuple[str, Any]]:
    """A server's address, and what ends it and gives its processor time in seconds."""
    command = [sys.executable, "-m", "tests.bench.echo_server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip(), lambda: float(server.communicate("")[0])
        finally:
            server.kill()


@contextmanager
def _timed(spent: list[Spent]) -> Iterator[None]:
    busy, began = time.process_time(), time.perf_counter()
    yield
    spent.append(Spent(time.process_time() - busy, time.perf_counter() - began))


def _judged(folder: Path, generation: dict[str, Any]) -> Judged:
    at = {name: folder / name for name in PORTS}
    others = {name: folder / name for name in ("choice_scores", "text_scores")}
    spent: list[Spent] = []
    with _timed(spent):
        bind.call(prepare_verdicts, params=WHO, **{k: at[k] for k in PORTS[:4]})
        bind.call(generate, params=generation, requests=at["requests"], completions=at["completions"], **others)
        read = bind.call(read_verdicts, params=WHO, **{k: at[k] for k in PORTS[3:]})
    num_pairs = len(Input(folder / "candidate", Completion).rows())
    assert len(Input(folder / "judgments", Judgment).rows()) == 2 * num_pairs
    return Judged(spent[0], read.metrics)


@contextmanager
def _official(url: str) -> Iterator[Ask]:
    import openai

    def ask(request: Request) -> str | None:
        said = client.chat.completions.create(
            model=WHO["judge"],
            messages=[{"role": "user", "content": request.prompt}],
            max_tokens=request.max_tokens,
            temperature=request.temperature,
            seed=request.seed % 2**31,
        )
        return said.choices[0].message.content

    with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        yield ask


def _write_answers(folder: Path, num_pairs: int) -> None:
    words = np.array(["the", "answer", "holds", "a", "fact", "and", "its", "reason", "in", "plain", "words"])
    for port, model in (("candidate", "imitator"), ("reference", "target")):
        draw = np.random.default_rng(len(model))
        Output(folder / port, Completion).write(
            Completion(
                prompt_id=str(number),
                model=model,
                prompt=f"question {number}",
                text=" ".join(draw.choice(words, size=draw.integers(100, 400))),
            )
            for number in range(num_pairs)
        )
