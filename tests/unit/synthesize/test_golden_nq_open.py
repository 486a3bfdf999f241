"""Method section 2.3: the seeds of NQ-synthetic come from the Natural Questions validation set: in the test too?"""

import gzip
import json
from pathlib import Path

import pytest

from components.contracts.environment import data_folder
from components.synthesize.examples import normalised
from components.synthesize.task import load_task

DEV = data_folder(Path(__file__).parents[4] / "shared" / "data") / "nq-open" / "NQ-open.dev.jsonl.gz"

pytestmark = pytest.mark.skipif(not DEV.is_file(), reason=f"real data absent: {DEV}")


def test_none_of_the_ten_seeds_is_in_nq_open_dev() -> None:
    with gzip.open(DEV, "rt", encoding="utf-8") as stream:
        asked = {normalised(json.loads(line)["question"]) for line in stream}
    assert len(asked) == 3610
    assert not asked & {normalised(seed.question) for seed in load_task("nq_synthetic").seeds}
