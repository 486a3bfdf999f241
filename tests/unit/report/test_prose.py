"""Numbers and names inside sentences."""

import pytest

from components.report.prose import MOST_NAMES, and_list, percent, points


@pytest.mark.parametrize(
    ("names", "said"),
    [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")],
)
def test_names_are_listed_as_in_a_sentence(names: list[str], said: str) -> None:
    assert and_list(names) == said


def test_a_hundred_names_do_not_fill_the_page() -> None:
    assert and_list([f"b{i}" for i in range(MOST_NAMES)]).endswith("b10 and b11")
    assert and_list([f"b{i}" for i in range(100)]) == "b0, b1, b2, b3, b4, b5, b6, b7, b8, b9 and 90 others"


def test_a_loss_has_a_minus_and_no_hyphen() -> None:
    assert (percent(-0.06), percent(0.333), points(-0.084)) == ("-6%", "33.3%", "-8.4 points")
