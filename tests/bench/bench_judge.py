"""Judging without the judge: what making questions, keeping replies and reading verdicts costs a pair.

The judge is the backend `echo`, which repeats the last line of its prompt: of our template that is a verdict, so every
reply is read. What is left is all ours: two questions a pair from the template, the rows, their digests, the reading,
the judgments. Beside it a server on loopback that answers at once, for what the wire, the journal and the ledger add
where the judge is behind an API; there the client's own processor time counts, since waiting is the server's.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from components.contracts import bind
from components.contracts.evidence_rows import Judgment
from components.contracts.ports import Input, Output
from components.contracts.rows import Completion
from components.generate.step import generate
from components.judge.step import prepare_verdicts, read_verdicts

PAIRS = 2000
SERVED_PAIRS = 300
MOST_SECONDS = 0.002
WHO = {"judge": "target-2024-05-13"}
SERVER = """
import sys
from tests.unit.contracts.chat_server import ChatServer
server = ChatServer()
server.reply_text = lambda asked: asked.text.strip().splitlines()[-1]
print(server.url, flush=True)
sys.stdin.read()
"""


def run() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        began = time.perf_counter()
        ours = _judged(Path(name), PAIRS, {"backend": "echo"})
        wall = time.perf_counter() - began - ours.pop("written")
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        api = {"base_url": server.stdout.readline().strip(), "model": WHO["judge"], "concurrency": 16}
        with tempfile.TemporaryDirectory() as name:
            _judged(Path(name), 5, {"backend": "api", "api": api})
            busy, began = time.process_time(), time.perf_counter()
            served = _judged(Path(name) / "more", SERVED_PAIRS, {"backend": "api", "api": api})
            busy, passed = time.process_time() - busy, time.perf_counter() - began
    finally:
        server.communicate("")
    ties = {"pairs": PAIRS, "ties": PAIRS, "unscored": 0}
    right = all(ours[key] == value for key, value in ties.items()) and served["ties"] == SERVED_PAIRS
    return {
        "work": f"{PAIRS:,} pairs of answers of 250 words on average, both orders",
        "ours_s": round(wall, 3),
        "reference": f"{1e3 * MOST_SECONDS:g} ms a pair",
        "reference_s": PAIRS * MOST_SECONDS,
        "equal": right and wall < PAIRS * MOST_SECONDS,
        "note": f"{1e3 * wall / PAIRS:.2f} ms a pair; behind a server on loopback the client's processor is busy for"
        f" {1e3 * busy / SERVED_PAIRS:.2f} ms a pair of two requests, {1e3 * passed / SERVED_PAIRS:.2f} ms pass",
    }


def _judged(folder: Path, num_pairs: int, generation: dict[str, Any]) -> dict[str, float]:
    """Metrics of reading, and the seconds it took to write the answers, which are there before a judge is asked."""
    began = time.perf_counter()
    for port, model in (("candidate", "imitator"), ("reference", "target")):
        Output(folder / port, Completion).write(_answers(model, num_pairs))
    written = time.perf_counter() - began
    at = {
        name: folder / name
        for name in ("candidate", "reference", "requests", "pairs", "completions", "judgments", "replies")
    }
    bind.call(prepare_verdicts, params=WHO, **{k: at[k] for k in ("candidate", "reference", "requests", "pairs")})
    others = {name: folder / name for name in ("choice_scores", "text_scores")}
    bind.call(generate, params=generation, requests=at["requests"], completions=at["completions"], **others)
    read = bind.call(read_verdicts, params=WHO, **{k: at[k] for k in ("pairs", "completions", "judgments", "replies")})
    assert len(Input(folder / "judgments", Judgment).rows()) == 2 * num_pairs
    return {**read.metrics, "written": written}


def _answers(model: str, num_pairs: int) -> list[Completion]:
    draw = np.random.default_rng(len(model))
    words = np.array(["the", "answer", "holds", "a", "fact", "and", "its", "reason", "in", "plain", "words"])
    return [
        Completion(
            prompt_id=str(number),
            model=model,
            prompt=f"question {number}",
            text=" ".join(draw.choice(words, size=draw.integers(100, 400))),
        )
        for number in range(num_pairs)
    ]
