"""Joins by item id: what matches, what is counted, what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from components.contracts.errors import TouchstoneError
from components.contracts.rows import Score
from components.report.joining import Part, tables
from tests.unit.report.rows_for_tests import scores


def _by_part(**rows: list[Score]) -> dict[Part, list[Score]]:
    return rows  # type: ignore[return-value]


def test_rows_are_joined_by_item_and_never_by_position() -> None:
    values = [0.0, 1.0, 1.0, 0.0, 1.0]
    shuffled = [scores(values)[i] for i in (3, 0, 4, 2, 1)]
    (table,) = tables(_by_part(base=scores(values), imitator=shuffled, target=shuffled[::-1]), min_matched=1.0)
    assert (
        table.values["base"].tolist() == table.values["imitator"].tolist() == table.values["target"].tolist() == values
    )


def test_what_is_dropped_is_counted_on_every_side() -> None:
    base = scores([1.0] * 9 + [None])
    imitator = scores([1.0] * 8 + [None] * 2 + [0.0])[1:]
    target = scores([1.0] * 6)
    (table,) = tables(_by_part(base=base, imitator=imitator, target=target), min_matched=0.5)
    assert table.drops.given == {"base": 10, "imitator": 10, "target": 6}
    assert len(table.clusters) == 9
    assert table.drops.unmatched == 2
    assert table.drops.unscored == 2
    assert table.drops.without_target == 4
    assert np.isnan(table.values["imitator"]).sum() == 2


def test_items_without_a_cluster_stand_alone_and_named_clusters_are_shared() -> None:
    named = scores([1.0, 0.0, 1.0, 0.0], cluster=["i3", "i3", "", ""])
    (table,) = tables(_by_part(base=named, imitator=named), min_matched=1.0)
    first, second, third, fourth = table.clusters
    assert first == second
    assert len({first, third, fourth}) == 3, "a cluster called like an item is not that item"


def test_an_item_scored_twice_is_refused_by_name() -> None:
    with pytest.raises(TouchstoneError, match="nq: imitator has item i1 twice"):
        tables(_by_part(base=scores([1, 0]), imitator=[*scores([1, 0]), *scores([0, 1])[1:]]), min_matched=0.5)


def test_two_prompt_styles_of_one_model_are_named_as_the_reason() -> None:
    chat = [row.model_copy(update={"prompt_style": "chat"}) for row in scores([1, 0])]
    with pytest.raises(TouchstoneError, match="as chat and as raw prompt"):
        tables(_by_part(base=scores([1, 0]) + chat, imitator=scores([1, 0])), min_matched=0.5)


@pytest.mark.parametrize(
    ("kept", "words"), [(4, "only 4 of 10 items are shared by base and imitator"), (0, "only 0 of 10")]
)
def test_a_thin_join_is_refused_with_counts(kept: int, words: str) -> None:
    mine = scores([1.0] * kept) + [
        row.model_copy(update={"item_id": "x" + row.item_id}) for row in scores([1.0] * (10 - kept))
    ]
    with pytest.raises(TouchstoneError, match=words):
        tables(_by_part(base=scores([1.0] * 10), imitator=mine), min_matched=0.5)


def test_a_target_without_common_items_is_refused() -> None:
    other = [row.model_copy(update={"item_id": "x" + row.item_id}) for row in scores([1.0] * 4)]
    with pytest.raises(TouchstoneError, match="shared by target and base and imitator"):
        tables(_by_part(base=scores([1.0] * 4), imitator=scores([1.0] * 4), target=other), min_matched=0.0)


def test_the_reading_that_all_models_share_is_used_and_others_are_mentioned() -> None:
    likelihood = [row.model_copy(update={"channel": "likelihood"}) for row in scores([0.5, 0.5])]
    extracted = [row.model_copy(update={"channel": "extracted"}) for row in scores([1.0, 1.0])]
    (table,) = tables(_by_part(base=scores([0.0, 0.0]) + extracted, imitator=extracted + likelihood), min_matched=1.0)
    assert table.values["base"].tolist() == [1.0, 1.0]
    assert "extracted" in table.remarks[0]
    assert "likelihood, strict" in table.remarks[0]
    with pytest.raises(TouchstoneError, match="read in different ways"):
        tables(_by_part(base=scores([0.0]), imitator=likelihood[:1]), min_matched=1.0)


def test_differing_numbers_of_worked_examples_are_mentioned() -> None:
    three = [row.model_copy(update={"num_shots": 3}) for row in scores([1.0, 0.0])]
    zero = [row.model_copy(update={"num_shots": 0}) for row in scores([1.0, 0.0])]
    (table,) = tables(_by_part(base=three, imitator=zero), min_matched=1.0)
    assert table.num_shots is None
    assert "[0, 3]" in table.remarks[0]
