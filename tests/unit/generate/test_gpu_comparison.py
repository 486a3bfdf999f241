"""The script that a GPU's owner runs, on a model that any machine runs in seconds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.long
def test_the_comparison_runs_anywhere_and_prints_what_it_measured() -> None:
    command = [sys.executable, "-m", "tests.bench.gpu_comparison", "--device", "cpu", "--shape", "tiny"]
    root = Path(__file__).parents[3]
    told = subprocess.run(command, cwd=root, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    records = [json.loads(line) for line in lines if line.startswith("{")]
    kinds = {record["kind"]: record for record in records[1:]}
    assert set(kinds) == {"choices, 5 shots", "short answers, 3 shots", "long answers", "whole texts"}
    assert kinds["choices, 5 shots"]["flips"] == "0 of 24"
    assert kinds["choices, 5 shots"]["largest_difference"] < 1e-4
    assert kinds["short answers, 3 shots"]["equal_texts"] == "24 of 24"
    assert kinds["long answers"]["equal_texts"] == "4 of 4"
    assert kinds["whole texts"]["largest_difference_per_token"] < 1e-5
    assert all(record["ours_s"] > 0 and 0 < record["share_of_roofline"] < 1 for record in kinds.values())
    assert sum(line.startswith("| tiny |") for line in lines) == 4
