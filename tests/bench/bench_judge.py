"""Judging without the judge: what making questions, keeping replies and reading verdicts costs a pair.

The judge is a server of its own process on loopback that answers at once with the last line of its prompt: of our
template that is a verdict, so every reply is read. What is left is ours: two questions a pair from the template, the
wire, the journal and its ledger, the rows and their digests, the reading, the judgments. What counts is the processor's
time in this process; what passes on the clock, the server's share in it and the same work without a server are in the
note, and nothing is subtracted. Beside it the official client sends the same requests by as many threads, and keeps
nothing but the texts. Of three rounds, turn by turn, the quickest of each counts: neighbours on the machine only add.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
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
ROUNDS = 3
THREADS = 16
MOST_SECONDS = 0.002
WHO = {"judge": "target-2024-05-13"}
PORTS = ("candidate", "reference", "requests", "pairs", "completions", "judgments", "replies")


class Spent(NamedTuple):
    """Seconds of this process's processor, of all its threads, and seconds that passed."""

    busy: float
    passed: float


class Judged(NamedTuple):
    spent: Spent
    metrics: dict[str, float]


def run() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name, _server() as (url, ended):
        api = {"base_url": url, "model": WHO["judge"], "concurrency": THREADS}
        _write_answers(Path(name) / "warm", 5)
        _judged(Path(name) / "warm", {"backend": "api", "api": api})
        rounds = [_round(Path(name) / str(number), url, {"backend": "api", "api": api}) for number in range(ROUNDS)]
        served = 1e3 * ended() / (2 * ROUNDS * PAIRS)
    plain, ours, theirs = (min(spent) for spent in zip(*(made.spent for made in rounds), strict=True))
    a_pair = {"ours": 1e3 * ours.busy / PAIRS, "theirs": 1e3 * theirs.busy / PAIRS}
    return {
        "work": f"{PAIRS:,} pairs of answers of 250 words on average, both orders, behind a server",
        "ours_s": round(ours.busy, 3),
        "reference": f"openai {version('openai')}, {THREADS} threads, the requests alone",
        "reference_s": round(theirs.busy, 3),
        "equal": all(made.same for made in rounds) and ours.busy < PAIRS * MOST_SECONDS,
        "note": f"processor time: {a_pair['ours']:.2f} ms a pair of two requests (at most {1e3 * MOST_SECONDS:g}),"
        f" {a_pair['theirs']:.2f} by the official client, {1e3 * plain.busy / PAIRS:.2f} without a server;"
        f" passed: {1e3 * ours.passed / PAIRS:.2f} ms a pair beside {1e3 * theirs.passed / PAIRS:.2f};"
        f" the server itself {served:.2f}",
    }


class Round(NamedTuple):
    spent: tuple[Spent, Spent, Spent]
    """Without a server, with it, and by the official client."""
    same: bool


def _round(folder: Path, url: str, generation: dict[str, Any]) -> Round:
    for part in ("plain", "served"):
        _write_answers(folder / part, PAIRS)
    plain, ours = _judged(folder / "plain", {"backend": "echo"}), _judged(folder / "served", generation)
    requests = Input(folder / "served/requests", Request).rows()
    said = {row.prompt_id: row.text for row in Input(folder / "served/completions", Completion).iter_rows()}
    texts, theirs = _official(url, requests)
    wanted = {"pairs": PAIRS, "ties": PAIRS, "unscored": 0}
    right = all(judged.metrics[key] == wanted[key] for judged in (plain, ours) for key in wanted)
    return Round((plain.spent, ours.spent, theirs), right and texts == said)


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


def _official(url: str, requests: list[Request]) -> tuple[dict[str, str | None], Spent]:
    # Not before ours has had its first turn: what it brings into memory is looked over by every garbage collection.
    import openai

    client = openai.OpenAI(base_url=url, api_key="none", max_retries=0)

    def ask(request: Request) -> str | None:
        said = client.chat.completions.create(
            model=WHO["judge"],
            messages=[{"role": "user", "content": request.prompt}],
            max_tokens=request.max_tokens,
            temperature=request.temperature,
            seed=request.seed % 2**31,
        )
        return said.choices[0].message.content

    spent: list[Spent] = []
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(ask, requests[:THREADS]))
        with _timed(spent):
            texts = list(threads.map(ask, requests))
    client.close()
    return {request.id: text for request, text in zip(requests, texts, strict=True)}, spent[0]


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
