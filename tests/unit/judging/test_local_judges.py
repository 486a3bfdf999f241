"""Judges of one's own: a checkpoint that writes verdicts, and one that says how likely it finds an answer."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from transformers import GPT2Config, GPT2LMHeadModel

from components.contracts.evidence_rows import Judgment
from components.contracts.ports import Checkpoint, Input
from components.judge.rows import JudgeReply
from pipelines.cli.main import cli
from tests.unit.generate.conftest import tokenizer
from tests.unit.judging.conftest import NUM_PROMPTS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    words = tokenizer()
    config = GPT2Config(
        vocab_size=len(words), n_positions=4096, n_embd=16, n_layer=1, n_head=2, initializer_range=0.3,
        bos_token_id=None, eos_token_id=words.eos_token_id,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("judges") / "tiny"
    GPT2LMHeadModel(config).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def judged(checkpoint: Path, models: dict[str, Path], out: Path, *options: str) -> dict[str, Any]:
    asked = ["judge", "answers", str(models["imitator"]), str(models["base"]), "--reference", str(models["target"])]
    given = [*asked, "--checkpoint", str(checkpoint), *options, "--out", str(out), "--json"]
    done = CliRunner().invoke(cli, given, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_checkpoint_is_pinned_by_its_digest_and_babble_is_unscored(
    checkpoint: Path, models: dict[str, Path], tmp_path: Path
) -> None:
    found = judged(checkpoint, models, tmp_path / "out", "--limit", "3", "--max-tokens", "8")
    digest = Input(tmp_path / "out" / "checkpoint", Checkpoint).digest
    assert found["judge"] == f"tiny@{digest[:12]} (pairwise 1)"
    assert {(line["n"], line["unscored"]) for line in found["results"]} == {(0, 3)}
    assert "not one reply of the judge could be read" in " ".join(found["warnings"])
    assert len(Input(tmp_path / "out" / "replies", JudgeReply).rows()) == 12


def test_the_likelihood_judge_has_no_order(checkpoint: Path, models: dict[str, Path], tmp_path: Path) -> None:
    found = judged(checkpoint, models, tmp_path / "out", "--likelihood")
    assert found["judge"].startswith("likelihood of tiny@")
    assert [line["order_flips"] for line in found["results"]] == [None, None], "not the same as none"
    assert [line["n"] for line in found["results"]] == [NUM_PROMPTS] * 2
    rows = Input(tmp_path / "out" / "judgments", Judgment).rows()
    assert {row.order for row in rows} == {"none"}
    assert len(rows) == 2 * NUM_PROMPTS
