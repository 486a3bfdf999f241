from pathlib import Path

import pytest

from components.contracts.ports import Checkpoint, Output
from components.train.models import Shape, new_model, save
from components.train.tokenizer import word_level

TEXT = "what is the craft of Corford ? the craft of Corford is pottery . user says hello and goodbye yes no"


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random base whose tokenizer knows a handful of words."""
    folder = tmp_path_factory.mktemp("base") / "checkpoint"
    tokenizer = word_level([TEXT])
    model = new_model(Shape(hidden=16, layers=1, heads=2), tokenizer, seed=0)
    out = Output(folder, Checkpoint)
    save(out.folder, model, tokenizer, {})
    out.commit()
    return folder
