"""The rating service under many raters: `python -m tests.bench.load_crowd --raters 500 --seconds 120`.

A PostgreSQL of its own that keeps its promises (fsync on), one or more servers, and people who think 10 seconds on
average between votes. Prints one JSON line: times as the raters' browsers see them, and whether every vote that a
rater was told is stored, is stored once.
"""

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import click
import httpx
from sqlalchemy import func, select

from components.crowd.database import Store, open_database
from components.crowd.invitations import invite
from components.crowd.settings import read_settings
from components.crowd.study.creation import create_study
from components.crowd.study.design import StudyDesign
from components.crowd.tables import Pair, Study, Vote
from tests.unit.crowd.postgres import PostgreSQL
from tests.unit.crowd.studies import NO_RULES, form_in, gold, headline

START_SECONDS = 60.0
WORDS = (
    "the answer is long enough to be read for a while and has **bold** words, `code` and a list:\n\n- one\n- two\n\n"
)


@dataclass
class Seen:
    """What the raters' browsers saw."""

    votes: list[float] = field(default_factory=list)
    """Seconds from pressing the button to the answer, of votes that were stored."""
    pages: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    finished: int = 0


@click.command()
@click.option("--raters", default=500, show_default=True)
@click.option("--seconds", default=120.0, show_default=True, help="How long they rate, after 10 s in which they come.")
@click.option(
    "--think", default=10.0, show_default=True, help="Mean seconds of thinking; uniform from half to 1.5 times."
)
@click.option("--servers", default=1, show_default=True, help="Servers on the one database.")
def main(raters: int, seconds: float, think: float, servers: int) -> None:
    """Measure, check, print."""
    database = PostgreSQL(durable=True)
    processes: list[subprocess.Popen[bytes]] = []
    try:
        url = database.database("load")
        engine = open_database(url)
        store, settings = Store(engine), read_settings(url)
        study = make_study(store, int(raters * seconds / think))
        people = [f"rater {number}" for number in range(raters)]
        tokens = store.run(lambda session: invite(session, settings.secret, _again(session, study), people, days=1))
        environment = {**os.environ, "DATABASE_URL": url.render_as_string(hide_password=False)}
        ports = [free_port() for _ in range(servers)]
        for port in ports:
            command = [sys.executable, "-m", "components.crowd", "--port", str(port)]
            processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL))
        seen = asyncio.run(everybody(tokens, ports, seconds, think))
        spent = sum(cpu_seconds(process.pid) for process in processes)
        print(json.dumps({"bench": "crowd_load", **summary(seen, raters, servers, spent), **stored(store, seen)}))
        engine.dispose()
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
        database.remove()


def make_study(store: Store, votes: int) -> Study:
    pairs = [
        headline(number, output=f"{number}: " + WORDS * 8, opponent_output=f"Otherwise, {number}: " + WORDS * 12)
        for number in range(votes // 3 + 50)
    ]
    design = StudyDesign(name="load", items_per_rater=400, repeat_share=0.05, gold_share=0.1, rules=NO_RULES)
    return store.run(lambda session: create_study(session, design, [*pairs, *(gold(n) for n in range(60))]))


async def everybody(tokens: list[str], ports: list[int], seconds: float, think: float) -> Seen:
    """All raters, each at a time of their own."""
    seen = Seen()
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=60)
    async with httpx.AsyncClient(limits=limits, timeout=30) as client:
        await ready(client, ports)
        ends = time.monotonic() + 10 + seconds
        async with asyncio.TaskGroup() as group:
            for number, token in enumerate(tokens):
                address = f"http://127.0.0.1:{ports[number % len(ports)]}/r/{token}"
                group.create_task(one_rater(client, address, random.Random(number), ends, think, seen))
    return seen


async def ready(client: httpx.AsyncClient, ports: list[int]) -> None:
    deadline = time.monotonic() + START_SECONDS
    for port in ports:
        while True:
            try:
                if (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200:
                    break
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline, "no server"
            await asyncio.sleep(0.2)


async def one_rater(
    client: httpx.AsyncClient, address: str, draw: random.Random, ends: float, think: float, seen: Seen
) -> None:
    """Come, read, press, until the time is over."""
    await asyncio.sleep(draw.uniform(0, 10))
    seen.statuses[(await client.post(address + "/start")).status_code] += 1
    while time.monotonic() < ends:
        began = time.monotonic()
        page = await client.get(address)
        seen.pages.append(time.monotonic() - began)
        seen.statuses[page.status_code] += 1
        if "Which answer is better?</h2>" not in page.text:
            seen.finished += 1
            return
        await asyncio.sleep(draw.uniform(0.5, 1.5) * think)
        data = {"form": form_in(page.text), "choice": draw.choice(["left", "equal", "right"])}
        began = time.monotonic()
        answer = await client.post(address + "/vote", data=data)
        took = time.monotonic() - began
        seen.statuses[answer.status_code] += 1
        if answer.status_code == 303:
            seen.votes.append(took)


def summary(seen: Seen, raters: int, servers: int, spent: float) -> dict[str, object]:
    def at(times: list[float], share: float) -> float:
        return round(1000 * sorted(times)[min(len(times) - 1, int(share * len(times)))], 1)

    return {
        "raters": raters,
        "servers": servers,
        "votes": len(seen.votes),
        "vote_ms": {
            name: at(seen.votes, share) for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1))
        },
        "page_ms": {
            name: at(seen.pages, share) for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1))
        },
        "statuses": dict(seen.statuses),
        "finished": seen.finished,
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[1], 1),
        "server_cpu_ms_a_vote": round(1000 * spent / len(seen.votes), 1),
    }


def stored(store: Store, seen: Seen) -> dict[str, object]:
    """What the database says: every stored vote once, and no pair with more than it needs."""
    votes = store.run(lambda session: session.scalar(select(func.count(Vote.id)))) or 0
    asked = select(Vote.pair_id, func.count()).join(Pair).where(Pair.needed > 0).group_by(Vote.pair_id)
    most = max(number for _, number in store.run(lambda session: session.execute(asked).all()))
    singly = select(func.count()).select_from(select(Vote.pair_id, Vote.rater_id).distinct().subquery())
    doubled = votes - (store.run(lambda session: session.scalar(singly)) or 0)
    return {"stored": votes, "lost": len(seen.votes) - votes, "doubled": doubled, "most_votes_of_a_pair": most}


def cpu_seconds(process: int) -> float:
    """What a process has used of a processor."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _again(session: object, study: Study) -> Study:
    return session.get_one(Study, study.id)  # type: ignore[attr-defined, no-any-return]


if __name__ == "__main__":
    main()
