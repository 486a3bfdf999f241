import pytest

from pipelines.local.progress import Estimator
from pipelines.local.runner import EVENT


def test_the_estimate_is_scaled_by_how_this_machine_has_done() -> None:
    estimator = Estimator(3, {"pretrain": 60.0, "train": 20.0}, {"pretrain": 1, "train": 2})
    assert estimator.seconds_left == 100.0
    estimator.finish("pretrain", 120.0, reused=False)
    assert estimator.seconds_left == pytest.approx(80.0)
    estimator.finish("train", 0.1, reused=True)
    assert estimator.seconds_left == pytest.approx(40.0)


def test_reused_work_says_nothing_about_speed() -> None:
    estimator = Estimator(2, {"train": 20.0}, {"train": 2})
    estimator.finish("train", 0.1, reused=True)
    assert estimator.seconds_left == 20.0


@pytest.mark.parametrize(
    ("line", "kind", "label"),
    [
        ("    [touchstone] started train broad", "started", "train broad"),
        ("[touchstone] finished in 12.5 s: compare", "finished", "compare"),
        ("[touchstone] reused generate judge of local", "reused", "generate judge of local"),
    ],
)
def test_progress_lines_are_read_from_the_log(line: str, kind: str, label: str) -> None:
    found = EVENT.search(line)
    assert found is not None
    assert (found[1], found[2]) == (kind, label)
