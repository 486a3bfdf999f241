"""The audit on real files read in place: AlpacaEval, the Vicuna blog evaluation, HumanEval samples."""

import csv
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from components.collect.judgments import read_judgments
from components.collect.outputs import read_outputs
from components.collect.prompts import read_prompts
from components.collect.scores import read_scores
from components.contracts import environment, files
from components.contracts.verdict import Verdict

DATA = environment.data_folder(Path(__file__).parents[3] / "shared" / "data")
ALPACA = DATA / "alpaca-eval"
VICUNA = DATA / "vicuna-blog-eval"

pytestmark = pytest.mark.skipif(not ALPACA.is_dir(), reason=f"no real data at {DATA} (TOUCHSTONE_DATA)")


def command() -> str:
    found = shutil.which("touchstone", path=sysconfig.get_path("scripts"))
    if found is None:
        pytest.skip("the touchstone command is not installed")
    return found


def audit(out: Path, *arguments: object) -> Verdict:
    done = subprocess.run([command(), "audit", *map(str, arguments), "--out", out], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return Verdict.model_validate_json((out / "verdict.json").read_text())


# --- Vicuna blog: LLaMA-13B -> Vicuna-13B, ChatGPT; GPT-4 reviews, one order ---------------------------------------


@pytest.mark.parametrize(
    ("other", "file", "total", "vicuna_total"),
    [
        ("gpt35", "review_gpt35_vicuna-13b", 693.0, 638.0),
        ("alpaca-13b", "review_alpaca-13b_vicuna-13b", 583.0, 704.0),
        ("llama-13b", "review_llama-13b_vicuna-13b", 513.0, 694.0),
        ("bard", "review_bard_vicuna-13b", 664.0, 655.5),
    ],
)
def test_vicuna_blog_totals(other, file, total, vicuna_total) -> None:
    answers = VICUNA / "answer"
    outputs = [
        read_outputs(answers / "answer_vicuna-13b.jsonl.gz", "imitator"),
        read_outputs(answers / f"answer_{other}.jsonl.gz", "target"),
    ]
    found = read_judgments([VICUNA / "review" / "vicuna-13b_20230322-clean-lang" / f"{file}.jsonl.gz"], outputs)
    assert len(found.rows) == 80
    assert sum(row.opponent_score or 0 for row in found.rows) == total
    assert sum(row.score or 0 for row in found.rows) == vicuna_total
    assert {row.order for row in found.rows} == {"opponent_first"}
    assert {row.model for row in found.rows} == {"vicuna-13b:20230322-clean-lang"}


def test_vicuna_blog_audit(tmp_path) -> None:
    reviews = VICUNA / "review" / "vicuna-13b_20230322-clean-lang"
    verdict = audit(
        tmp_path / "result",
        *("--base", VICUNA / "answer" / "answer_llama-13b.jsonl.gz"),
        *("--imitator", VICUNA / "answer" / "answer_vicuna-13b.jsonl.gz"),
        *("--target", VICUNA / "answer" / "answer_gpt35.jsonl.gz"),
        *("--prompts", VICUNA / "question.jsonl.gz"),
        *("--judgments", reviews / "review_gpt35_vicuna-13b.jsonl.gz"),
        *("--judgments", reviews / "review_llama-13b_vicuna-13b.jsonl.gz"),
    )
    totals = {p.opponent: (p.score_total, p.opponent_score_total, p.n) for p in verdict.preference}
    assert totals == {"gpt-3.5-turbo:20230327": (638.0, 693.0, 80), "llama-13b:v1": (694.0, 513.0, 80)}
    assert verdict.style.n == 80
    assert verdict.style.lower_bound
    # No benchmark was given, and preference alone never decides.
    assert verdict.verdict == "INCONCLUSIVE"


# --- AlpacaEval: target gpt-3.5-turbo-0301, ceiling 0613 -----------------------------------------------------------

FIGURES = {  # method section 4: list agreement, unigram F1, length correlation
    "vicuna-13b": (0.86, 44.8, 0.72),
    "alpaca-7b": (0.23, 35.2, 0.60),
    "text_davinci_001": (0.34, 30.9, 0.58),
}
CEILING = (0.94, 49.7, 0.81)


@pytest.mark.parametrize("base", ["text_davinci_001", "alpaca-7b"])
def test_alpaca_eval_style_within_a_point(tmp_path, base) -> None:
    outputs = ALPACA / "outputs"
    verdict = audit(
        tmp_path / "result",
        *("--base", outputs / f"{base}.json.gz"),
        *("--imitator", outputs / "vicuna-13b.json.gz"),
        *("--target", outputs / "gpt-3.5-turbo-0301.json.gz"),
        *("--target-second", outputs / "gpt-3.5-turbo-0613.json.gz"),
    )
    metrics = verdict.style.metrics
    table = [metrics[name] for name in ("list_agreement", "unigram_f1", "length_correlation")]
    for found, expected in (
        ([m.base for m in table], FIGURES[base]),
        ([m.imitator for m in table], FIGURES["vicuna-13b"]),
        ([m.ceiling for m in table], CEILING),
    ):
        assert found[0] == pytest.approx(expected[0], abs=0.01)
        assert found[1] == pytest.approx(expected[1], abs=1.0)
        assert found[2] == pytest.approx(expected[2], abs=0.01)
    # text_davinci_001's file lacks two of the 805 prompts.
    assert verdict.style.n == (803 if base == "text_davinci_001" else 805)


def board(name: str) -> dict[str, float]:
    with (ALPACA / "leaderboards" / name).open(newline="") as stream:
        return {row[""]: float(row["win_rate"]) for row in csv.DictReader(stream)}


@pytest.mark.parametrize(
    ("preferences", "leaderboard", "baseline", "models", "tolerance_points"),
    [
        ("alpaca_eval_gpt4", "alpaca_eval_1_gpt4", "text_davinci_003", 4, 1e-6),
        # These weights are stored with five decimals: 1e-6 of a share is what can be had.
        ("weighted_alpaca_eval_gpt4_turbo", "alpaca_eval_2_weighted_gpt4_turbo", "gpt4_1106_preview", 7, 1e-4),
    ],
)
def test_alpaca_eval_win_rates(preferences, leaderboard, baseline, models, tolerance_points) -> None:
    path = ALPACA / "preferences" / f"{preferences}.csv.gz"
    prompts = read_prompts(ALPACA / "instructions.jsonl.gz")
    # The second baseline's outputs are not in the folder; only its name and the prompts matter here.
    stand_in = read_outputs(ALPACA / "outputs" / "text_davinci_003.json.gz", "target", name=baseline, prompts=prompts)
    published = board(f"{leaderboard}.csv")
    names = {record.text("model") for record in files.records(path)} & set(published)
    assert len(names) == models
    for name in names:
        mine = read_outputs(ALPACA / "outputs" / f"{name}.json.gz", "imitator", name=name, prompts=prompts)
        found = read_judgments([path], [mine, stand_in], prompts=prompts)
        scores = [row.score for row in found.rows if row.score is not None]
        assert {row.model for row in found.rows} == {name}
        assert 100 * sum(scores) / len(scores) == pytest.approx(published[name], abs=tolerance_points), name


def test_the_annotation_file_as_published_gives_the_same_rate() -> None:
    outputs = [
        read_outputs(ALPACA / "outputs" / "vicuna-13b.json.gz", "imitator"),
        read_outputs(ALPACA / "outputs" / "text_davinci_003.json.gz", "target"),
    ]
    found = read_judgments([ALPACA / "vicuna-13b.alpaca_eval_gpt4.json.gz"], outputs)
    rate = 100 * sum(row.score or 0 for row in found.rows) / len(found.rows)
    assert rate == pytest.approx(board("alpaca_eval_1_gpt4.csv")["vicuna-13b"], abs=1e-6)
    assert {row.source for row in found.rows} == {"alpaca_eval_gpt4"}
    outcomes = [row.outcome for row in found.rows]
    assert (outcomes.count("win"), outcomes.count("loss"), outcomes.count("tie")) == (566, 237, 2)


# --- HumanEval samples ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "solved"), [("gpt-3.5-turbo", 42), ("text-davinci-003", 96), ("gpt-4", 134), ("gpt-4-reflexion", 150)]
)
def test_humaneval_flags_as_recorded(name, solved) -> None:
    found = read_scores([(DATA / "humaneval-samples" / f"{name}.jsonl.gz", None)], "target")
    assert len(found.scores) == 164
    assert sum(score.value or 0 for score in found.scores) == solved
    assert {score.benchmark for score in found.scores} == {"humaneval"}
