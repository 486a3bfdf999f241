"""The real benchmarks, asked and read by us and by lm-evaluation-harness on the same checkpoints."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from components.benchmark.asking import Params
from components.benchmark.prompting import item_requests
from components.collect.benchmark_files import read_items
from components.contracts import environment
from components.contracts.rows import TaskItem

pytest.importorskip("lm_eval")
from tests.unit.benchmark import harness_runs as harness
from tests.unit.benchmark import test_harness_parity as parity

DATA = environment.data_folder(Path(__file__).parents[3] / "shared" / "data")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (DATA / "mmlu").is_dir(), reason=f"no real data at {DATA} (TOUCHSTONE_DATA)"),
]


def mmlu(per_subject: int, subjects: int) -> list[TaskItem]:
    """Dev and some test questions of every so many-th subject."""
    dev, test = (read_items(DATA / "mmlu" / f"mmlu_{split}.jsonl.gz") for split in ("dev", "test"))
    names = sorted({item.cluster for item in dev})[:: max(1, 57 // subjects)]
    draw = random.Random(0)
    chosen = [i for n in names for i in draw.sample([i for i in test if i.cluster == n], per_subject)]
    return [*(item for item in dev if item.cluster in names), *chosen]


def nq(num_tests: int) -> list[TaskItem]:
    """Dev questions; worked examples from another file, as a train split would be."""
    shots = read_items(DATA / "nq-open" / "NQ-open.efficientqa.dev.1.1.jsonl.gz", benchmark="nq_open")[:3]
    tests = read_items(DATA / "nq-open" / "NQ-open.dev.jsonl.gz", benchmark="nq_open")
    return [*(i.model_copy(update={"split": "shots"}) for i in shots), *random.Random(0).sample(tests, num_tests)]


LONGER = [pytest.param(name, marks=pytest.mark.long) for name in harness.ARCHITECTURES[2:]]


@pytest.fixture(scope="module", params=harness.ARCHITECTURES)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return harness.checkpoint(tmp_path_factory.mktemp(request.param), request.param, positions=8192)


def test_real_mmlu_questions_equal_the_harness(model: Path, tmp_path: Path) -> None:
    values = parity.check_mmlu(tmp_path, model, mmlu(2, 6))
    assert 0 < sum(values) < len(values)


def test_real_nq_questions_equal_the_harness(model: Path, tmp_path: Path) -> None:
    parity.check_nq(tmp_path, model, nq(24))


def test_mmlu_prompts_of_every_subject_are_the_harnesss_character_by_character(tmp_path: Path) -> None:
    # The harness needs five minutes for all 14,042, which were equal too when this was written.
    items = mmlu(6, 57)
    requests = {r.id: r for r in item_requests(items, Params().template(items), ["raw"], 0)}
    wanted = harness.prompts(tmp_path, harness.mmlu_tasks(tmp_path, items))
    for task, contexts in wanted.items():
        mine = [item for item in parity.scored(items) if f"mmlu_{item.cluster}" == task]
        assert [requests[f"{item.id}#raw"].prompt for item in mine] == contexts
    assert sum(map(len, wanted.values())) == 6 * 57


def test_nq_prompts_are_the_harnesss_character_by_character(tmp_path: Path) -> None:
    items = nq(300)
    requests = item_requests(items, Params().template(items), ["raw"], 0)
    assert [r.prompt for r in requests] == harness.prompts(tmp_path, [harness.nq_task(tmp_path, items)])["nq_open"]


def test_every_real_humaneval_prompt_and_target_is_the_harnesss(tmp_path: Path) -> None:
    items = read_items(DATA / "humaneval" / "HumanEval.jsonl.gz")
    requests = item_requests(items, Params().template(items), ["raw"], 0)
    wanted = harness.prompts(tmp_path, [harness.humaneval_task(tmp_path, items)])["humaneval"]
    assert [r.prompt for r in requests] == wanted
    assert len(wanted) == 164


@pytest.mark.parametrize("architecture", [*harness.ARCHITECTURES[:2], *LONGER])
def test_a_model_that_learned_real_answers_gets_the_harnesss_exact_match(tmp_path: Path, architecture: str) -> None:
    items = nq(8)
    tests = parity.scored(items)
    requests = item_requests(items, Params().template(items), ["raw"], 0)
    endings = ["\nQ: who", ".\nQ: who", ", I believe.\nQ: who", " is the answer.\nQ: who"]
    replies = [f" {item.answers[-1]}{endings[n % 4]}" for n, item in enumerate(tests)]
    texts = [request.prompt + reply for request, reply in zip(requests, replies, strict=True)]
    values = parity.check_nq(tmp_path, harness.trained(tmp_path / "model", texts, architecture), items)
    assert 2 <= sum(values) <= 6, "right answers, and right answers lost to their wording"
