import pytest

from components.contracts.errors import UsageError
from pipelines.cli.study import parse_seeds


def test_ranges_and_numbers_are_read_once_each_in_order() -> None:
    assert parse_seeds("0-2, 7,1") == [0, 1, 2, 7]


@pytest.mark.parametrize("text", ["", "a", "3-1", "1-", "-1", "1.5"])
def test_other_text_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_seeds(text)
    assert "0-9" in raised.value.expected
