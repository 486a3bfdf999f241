"""Style attribution on real texts: presidents, and ChatGPT beside a model that imitates it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from components.attribution.step import attribute
from components.contracts import bind
from components.contracts.attribution_rows import Attribution, AuthoredText
from components.contracts.environment import data_folder
from components.contracts.ports import Input, write_rows
from pipelines.attribution.sources import read_texts
from pipelines.cli.attribution import attribution

DATA = data_folder(Path(__file__).parents[3] / "shared" / "data")
SOTU = DATA / "sotu" / "sotu.jsonl.gz"
OUTPUTS = DATA / "alpaca-eval" / "outputs"
pytestmark = pytest.mark.skipif(not SOTU.is_file(), reason=f"no real data at {DATA} (TOUCHSTONE_DATA)")


def test_the_address_on_both_sides_of_the_split_is_asked_of_nobody() -> None:
    rows = read_texts(SOTU)
    (left_out,) = [row for row in rows if row.missing is not None]
    assert (left_out.author, left_out.order, left_out.split) == ("Taylor", 1849, "test")
    assert sum(row.split == "train" for row in rows) == 167
    assert sum(row.split == "test" and row.missing is None for row in rows) == 61


def test_speakers_are_known_by_their_frequent_words_alone(tmp_path: Path) -> None:
    write_rows(tmp_path / "texts", AuthoredText, read_texts(SOTU))
    made = ("attribution", "attributed", "told_apart", "told_apart_texts", "points")
    ports = {name: tmp_path / name for name in ("texts", *made)}
    params = {"classifiers": ["frequent_words", "majority"], "map": False}
    bind.call(attribute, params=params, **ports)
    rows = {row.classifier: row for row in Input(tmp_path / "attribution", Attribution).rows()}
    # An independent script finds 54 of 61 with the same words, and 54 with Burrows's Delta itself.
    assert rows["frequent_words"].accuracy == pytest.approx(54 / 61, abs=2 / 61)
    assert rows["frequent_words"].accuracy_ci[0] > 10 * rows["majority"].accuracy
    assert rows["frequent_words"].num_tested == 61


@pytest.mark.long
def test_vicunas_answers_are_taken_for_chatgpts_as_often_as_its_second_sample(tmp_path: Path) -> None:
    options = {
        "--base": "text_davinci_001",
        "--imitator": "vicuna-13b",
        "--target": "gpt-3.5-turbo-0301",
        "--target-second": "gpt-3.5-turbo-0613",
    }
    arguments = [part for option, name in options.items() for part in (option, str(OUTPUTS / f"{name}.json.gz"))]
    done = CliRunner().invoke(attribution, ["answers", *arguments, "--out", str(tmp_path / "out"), "--json"])
    assert done.exit_code == 0, done.output
    said = [Attribution.model_validate(row) for row in json.loads(done.stdout)["attribution"]]
    shares = {row.author: row.to("target") for row in said if row.classifier == "char_ngrams"}
    values = {author: share.share for author, share in shares.items() if share is not None}
    assert values["base"] < 0.25
    assert values["imitator"] > 0.78
    assert abs(values["imitator"] - values["target_second"]) < 0.06
    assert (tmp_path / "out" / "attribution.html").read_text().count('class="figure ') == 2
