"""Stored judgments of other people's judges, read from their raw files and analysed again."""

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import krippendorff
import pytest
from sklearn.metrics import cohen_kappa_score

from components.collect.outputs import read_outputs
from components.collect.prompts import read_prompts
from components.collect.stored import read_stored
from components.contracts import environment
from components.contracts.evidence_rows import Judgment
from components.report.preferring.agreement import agreement
from components.report.preferring.preference import preferences
from components.report.preferring.voices import majority

DATA = environment.data_folder(Path(__file__).parents[3] / "shared" / "data")
ALPACA, VICUNA = DATA / "alpaca-eval", DATA / "vicuna-blog-eval"
MT_BENCH, PANDALM = DATA / "mtbench-human-votes", DATA / "pandalm"

pytestmark = pytest.mark.skipif(not MT_BENCH.is_dir(), reason=f"no real data at {DATA} (TOUCHSTONE_DATA)")


def by_item(rows: Iterable[Judgment]) -> dict[str, dict[str, str | None]]:
    """Item -> voice -> outcome. A voice that judged a pair in both orders spoke twice."""
    found: dict[str, dict[str, str | None]] = defaultdict(dict)
    for row in rows:
        found[f"{row.prompt_id} {row.model} {row.opponent}"][f"{row.rater} {row.order}"] = row.outcome
    return found


def most_named(votes: Mapping[str, str | None]) -> str:
    """The outcome that more voices name than any other, else a tie: the rule of the figures published for MT-bench."""
    (first, most), *rest = Counter(str(vote) for vote in votes.values()).most_common(2)
    return "tie" if rest and rest[0][1] == most else first


def test_mt_bench_people_and_gpt_4() -> None:
    people = by_item(read_stored([MT_BENCH / "human.jsonl.gz"]))
    judge = by_item(read_stored([MT_BENCH / "gpt4_pair.jsonl.gz"]))
    assert sum(map(len, people.values())) == 3355
    shared = [item for item in judge if item in people]
    # Votes that name a pair the other way round would leave 1,232 of these, and a kappa of 0.41.
    assert (len(judge), len(shared)) == (2400, 1814)
    said = [(most_named(people[item]), next(iter(judge[item].values()))) for item in shared]
    assert sum(a == b for a, b in said) / len(said) == pytest.approx(0.6720, abs=5e-5)
    assert cohen_kappa_score(*zip(*said, strict=True)) == pytest.approx(0.5047, abs=5e-5)

    several = {item: votes for item, votes in people.items() if len(votes) > 1}
    assert len(several) == 961
    voices = sorted({voice for votes in several.values() for voice in votes})
    table = [[votes.get(voice, "") for votes in several.values()] for voice in voices]
    number = {"win": 0.0, "tie": 1.0, "loss": 2.0, "": float("nan")}
    matrix = [[number[str(cell)] for cell in line] for line in table]
    assert krippendorff.alpha(reliability_data=matrix, level_of_measurement="nominal") == pytest.approx(
        0.4855, abs=5e-5
    )
    ours = agreement(several, alpha=0.05, resamples=200, seed=0)
    assert (ours.num_items, ours.alpha) == (961, pytest.approx(0.4855, abs=5e-5))


def test_mt_bench_ties_between_the_orders_are_ties() -> None:
    rows = read_stored([MT_BENCH / "gpt4_pair.jsonl.gz"])
    assert Counter(row.outcome for row in rows)["tie"] == 380 + 220
    assert {row.order for row in rows} == {"none"}


def test_pandalm_three_people_and_two_judges() -> None:
    files = ["testset-v1", "gpt-3.5-turbo-testset-v1", "pandalm-7b-testset-v1"]
    rows = read_stored([PANDALM / f"{name}.json.gz" for name in files])
    people = by_item(row for row in rows if row.source == "testset-v1")
    assert len(people) == 999
    for first, second, kappa in ((1, 2, 0.8520), (1, 3, 0.8789), (2, 3, 0.8617)):
        pairs = [(votes[f"annotator{first} none"], votes[f"annotator{second} none"]) for votes in people.values()]
        assert cohen_kappa_score(*zip(*pairs, strict=True)) == pytest.approx(kappa, abs=5e-5)
    reduced = {item: majority(list(votes.values())) for item, votes in people.items()}
    assert Counter(reduced.values()) == {"tie": 105, "win": 422, "loss": 472}
    for judge, agreed in (("gpt-3.5-turbo", 697), ("pandalm-7b", 667)):
        verdicts = by_item(row for row in rows if row.source == judge)
        assert sum(next(iter(verdicts[item].values())) == reduced[item] for item in reduced) == agreed
    # Replies that PandaLM's authors could not read are unscored, not ties and not losses.
    assert sum(row.unscored is not None for row in rows) == 25


VICUNA_TOTALS = {
    "gpt35": ("gpt-3.5-turbo:20230327", 693.0, 638.0),
    "alpaca-13b": ("alpaca-13b:v1", 583.0, 704.0),
    "llama-13b": ("llama-13b:v1", 513.0, 694.0),
    "bard": ("bard:20230327", 664.0, 655.5),
}


@pytest.mark.parametrize("other", VICUNA_TOTALS)
def test_vicuna_blog_totals_with_answers_and_without(other: str) -> None:
    review = VICUNA / "review" / "vicuna-13b_20230322-clean-lang" / f"review_{other}_vicuna-13b.jsonl.gz"
    answers = [read_outputs(VICUNA / "answer" / f"answer_{name}.jsonl.gz", "target") for name in (other, "vicuna-13b")]
    name, total, vicuna_total = VICUNA_TOTALS[other]
    for given, models in (
        (answers, ("vicuna-13b:20230322-clean-lang", name)),
        ([], ("vicuna-13b", other)),
    ):
        (found,) = preferences(read_stored([review], given), models={}, alpha=0.05, resamples=100, seed=0)
        assert (found.model, found.opponent) == models
        assert (found.score_total, found.opponent_score_total, found.n) == (vicuna_total, total, 80)
        assert found.order_flips is None, "one order says nothing about flips"


def test_alpaca_eval_win_rates_without_outputs() -> None:
    with (ALPACA / "leaderboards" / "alpaca_eval_1_gpt4.csv").open(newline="") as stream:
        published = {row[""]: float(row["win_rate"]) for row in csv.DictReader(stream)}
    prompts = read_prompts(ALPACA / "instructions.jsonl.gz")
    rows = read_stored([ALPACA / "preferences" / "alpaca_eval_gpt4.csv.gz"], prompts=prompts)
    assert {row.opponent for row in rows} == {"text_davinci_003"}
    checked = 0
    for model in {row.model for row in rows} & set(published):
        scores = [row.score for row in rows if row.model == model and row.score is not None]
        assert 100 * sum(scores) / len(scores) == pytest.approx(published[model], abs=1e-6)
        checked += 1
    assert checked == 4
    annotated = read_stored([ALPACA / "vicuna-13b.alpaca_eval_gpt4.json.gz"])
    outcomes = Counter(row.outcome for row in annotated)
    assert (outcomes["win"], outcomes["loss"], outcomes["tie"]) == (566, 237, 2)
    assert {row.model for row in annotated} == {"vicuna-13b"}
