"""The sweep as an object: its cells, their names, and which of them share work."""

from __future__ import annotations

import pytest

from components.contracts.errors import UsageError
from components.train.mitigations.arms import ARMS
from pipelines.sweep.cells import Sweep


def a_sweep(**changed: object) -> Sweep:
    given: dict[str, object] = {"bases": ("small", "large"), "data": ("broad",), "amounts": (10, 20, 40), **changed}
    return Sweep.model_validate(given)


def test_every_combination_is_a_cell_named_after_the_axes_that_vary() -> None:
    names = [cell.name for cell in a_sweep(seeds=(0, 1)).cells()]
    assert len(names) == len(set(names)) == 2 * 3 * 2
    assert names[0] == "small-10-seed0"
    assert [cell.name for cell in a_sweep(bases=("small",), amounts=(10,)).cells()] == ["small-broad"]


def test_no_imitator_is_called_like_a_base() -> None:
    sweep = a_sweep(amounts=(10,))
    assert [cell.name for cell in sweep.cells()] == ["small-broad", "large-broad"]


def test_groups_hold_every_cell_once() -> None:
    sweep = a_sweep(mitigations=tuple(ARMS), amounts=(40,), data=("broad", "local"))
    grouped = [cell for group in sweep.groups() for cell in group.cells]
    assert sorted(cell.name for cell in grouped) == sorted(cell.name for cell in sweep.cells())
    for group in sweep.groups():
        assert len({(cell.base, cell.data) for cell in group.cells}) == 1


def test_amounts_of_one_base_and_arm_come_out_of_one_training() -> None:
    groups = a_sweep(mitigations=("plain", "kl", "lora")).groups()
    kinds = [(group.kind, group.first.base, group.first.mitigation, len(group.cells)) for group in groups]
    assert kinds == [
        ("series", "small", "plain", 3),
        ("series", "small", "kl", 3),
        ("separate", "small", "lora", 3),
        ("series", "large", "plain", 3),
        ("series", "large", "kl", 3),
        ("separate", "large", "lora", 3),
    ]
    assert {group.kind for group in a_sweep(one_pass=False).groups()} == {"separate"}


def test_the_plain_model_is_trained_once_for_its_own_cell_and_the_mixtures() -> None:
    sweep = a_sweep(bases=("small",), amounts=(40,), mitigations=("plain", "kl", "interpolation"), alphas=(0.25, 0.75))
    kinds = {group.kind: [cell.name for cell in group.cells] for group in sweep.groups()}
    assert kinds == {
        "whole": ["plain"],
        "interpolated": ["interpolation-0.25", "interpolation-0.75"],
        "separate": ["kl"],
    }


def test_arms_that_replay_are_not_trained_beside_those_that_must_not() -> None:
    sweep = a_sweep(bases=("small",), amounts=(40,), mitigations=("plain", "replay_5", "lora", "replay_25"))
    found = [[cell.mitigation for cell in group.cells] for group in sweep.groups()]
    assert found == [["plain", "lora"], ["replay_5", "replay_25"]]


def test_a_part_of_the_cells_leaves_the_shared_work_as_it_is() -> None:
    (group,) = a_sweep(only=("small-20",)).groups()
    assert (group.kind, [cell.name for cell in group.cells], group.amounts) == ("series", ["small-20"], (10, 20, 40))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"only": ("small-30",)}, "no cell small-30"),
        ({"amounts": (20, 10)}, "must grow"),
        ({"amounts": ()}, "at least"),
    ],
)
def test_what_cannot_be_is_refused(changed: dict[str, object], said: str) -> None:
    with pytest.raises((UsageError, ValueError), match=said):
        a_sweep(**changed)
