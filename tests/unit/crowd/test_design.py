"""What is fixed before the data: pairs, quotas, rules; and what is refused."""

import json
from collections import Counter
from pathlib import Path

import pytest

from components.contracts.crowd_rows import StudyPair
from components.contracts.errors import TouchstoneError
from components.contracts.ports import write_rows
from components.crowd.database import Store
from components.crowd.study.creation import create_study, read_pairs
from components.crowd.study.design import (
    StudyDesign,
    design_digest,
    items_per_rater,
    kinds_for,
    model_left,
    silent_rules,
    with_repeats,
)
from components.crowd.study.rules import Answered, ExclusionRules, broken_rule, button, pressed, quality
from tests.unit.crowd.studies import PLAIN, gold, headline, make, pairs_of


def test_sides_are_a_fair_coin_of_seed_rater_and_pair() -> None:
    sides = [model_left(1, f"rater {n % 100}", f"pair {n // 100}") for n in range(10_000)]
    # Binomial, standard deviation 50.
    assert abs(sum(sides) - 5000) < 200
    assert sides == [model_left(1, f"rater {n % 100}", f"pair {n // 100}") for n in range(10_000)]
    other = [model_left(2, f"rater {n % 100}", f"pair {n // 100}") for n in range(10_000)]
    assert 4800 < sum(one == two for one, two in zip(sides, other, strict=True)) < 5200


def test_the_plan_holds_its_shares_and_puts_repeats_late() -> None:
    for rater in range(50):
        plan = kinds_for(3, f"rater {rater}", 40, gold_share=0.1, repeat_share=0.05)
        assert Counter(plan) == {"ordinary": 34, "gold": 4, "repeat": 2}
        assert plan[0] == "ordinary"
        assert "repeat" not in plan[:20]


@pytest.mark.parametrize(
    ("pairs", "golds", "quota", "items"),
    [
        (100, 10, 40, 40),
        (10, 10, 40, 12),
        (10, 0, 40, 11),
        (1, 0, 40, 1),
        (3, 50, 40, 3),
    ],
)
def test_nobody_is_promised_more_items_than_there_are(pairs: int, golds: int, quota: int, items: int) -> None:
    design = StudyDesign(name="s", items_per_rater=quota, gold_share=0.1, repeat_share=0.05)
    rows = with_repeats([*(headline(n) for n in range(pairs)), *(gold(n) for n in range(golds))], design)
    assert items_per_rater(design, rows) == items


@pytest.mark.parametrize(
    ("pairs", "golds", "rules", "told"),
    [
        (21, 4, {}, ["min_gold_share excludes nobody: of 24 items a rater meets 2 gold, gold_from is 4"]),
        (200, 20, {}, []),
        (200, 0, {}, []),
        (80, 8, {"gold_from": 5}, ["min_gold_share excludes nobody: of 40 items a rater meets 4 gold, gold_from is 5"]),
        (6, 0, {}, ["max_same_choice excludes nobody: a rater has 6 items, votes_from is 10"]),
        (
            6,
            0,
            {"max_same_choice": None, "seconds_from": None},
            ["min_median_seconds excludes nobody: a rater has 6 items, votes_from is 10"],
        ),
    ],
)
def test_rules_that_can_exclude_nobody_are_told(pairs: int, golds: int, rules: dict[str, int], told: list[str]) -> None:
    design = StudyDesign(name="s", rules=ExclusionRules.model_validate(rules))
    rows = with_repeats([*(headline(n) for n in range(pairs)), *(gold(n) for n in range(golds))], design)
    assert silent_rules(design, rows) == told


def test_repeats_are_made_where_the_file_has_none() -> None:
    design = StudyDesign(name="s")
    rows = with_repeats([headline(0), headline(1), gold(0)], design)
    assert [(row.kind, row.repeats) for row in rows[3:]] == [("repeat", "pair-0"), ("repeat", "pair-1")]
    assert with_repeats(rows, design) == rows
    assert len(with_repeats(rows[:3], design.model_copy(update={"repeat_share": 0.0}))) == 3


def test_the_digest_is_of_everything_that_was_fixed_and_of_no_order() -> None:
    rows = [headline(n) for n in range(5)]
    digest = design_digest(PLAIN, rows)
    assert design_digest(PLAIN, rows[::-1]) == digest
    assert design_digest(PLAIN.model_copy(update={"seed": 1}), rows) != digest
    assert design_digest(PLAIN.model_copy(update={"rules": ExclusionRules()}), rows) != digest
    assert design_digest(PLAIN, [*rows[:4], headline(4, output="Another.")]) != digest


def test_a_study_made_twice_is_one_and_changed_it_is_refused(store: Store) -> None:
    study = make(store)
    assert make(store).id == study.id
    with pytest.raises(TouchstoneError, match="other pairs or rules"):
        make(store, PLAIN.model_copy(update={"raters_per_pair": 5}))
    with pytest.raises(TouchstoneError, match="other pairs or rules"):
        make(store, PLAIN, [headline(0)])
    assert study.rules_digest == PLAIN.rules.digest


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([], "no pair to rate"),
        ([gold(0)], "no pair to rate"),
        ([headline(0), headline(0)], "stands there twice"),
        ([headline(0, output="x" * 200_001)], "200,001 characters"),
        ([headline(0, prompt_id="x" * 391)], "too long"),
        ([headline(0), headline(1, kind="repeat", repeats="pair-7")], "repeats 'pair-7'"),
    ],
)
def test_pairs_that_cannot_be_rated_are_refused(sqlite: Store, rows: list[StudyPair], found: str) -> None:
    with pytest.raises(TouchstoneError, match=found):
        sqlite.run(lambda session: create_study(session, PLAIN, rows))


def test_pairs_come_from_lines_or_from_an_artifact(tmp_path: Path) -> None:
    rows = [headline(0, output="line\u2028separator"), gold(1)]
    file = tmp_path / "pairs.jsonl"
    file.write_text("\ufeff" + "\n\n".join(row.model_dump_json() for row in rows) + "\n")
    assert read_pairs(file) == rows
    write_rows(tmp_path / "pairs", StudyPair, rows)
    assert read_pairs(tmp_path / "pairs") == rows


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("{", "line 2"),
        (json.dumps({"pair_id": "x"}), "line 2: prompt_id"),
        (json.dumps({**headline(0).model_dump(), "kind": "golden"}), "line 2: kind"),
        (json.dumps({**headline(0).model_dump(), "extra": 1}), "line 2: extra"),
        ("[1]", "line 2"),
    ],
)
def test_a_line_that_is_no_pair_is_named(tmp_path: Path, line: str, found: str) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text(headline(0).model_dump_json() + "\n" + line + "\n")
    with pytest.raises(TouchstoneError, match=found):
        read_pairs(file)


def test_buttons_and_outcomes_are_each_others_reverse(sqlite: Store) -> None:
    for left in (True, False):
        for choice in ("left", "equal", "right"):
            assert button(pressed(choice, left), left) == choice
    assert pressed("left", True) == "win"
    assert pressed("left", False) == "loss"


def answers(number: int, kind: str = "headline", **changes: object) -> list[Answered]:
    one = Answered(kind, "win", True, None, 20.0)._replace(**changes)  # type: ignore[arg-type]
    return [one] * number


MIXED = answers(5) + answers(5, model_left=False)
RULES = ExclusionRules(min_repeat_share=0.5)


@pytest.mark.parametrize(
    ("given", "broken"),
    [
        (MIXED, None),
        (MIXED + answers(3, "gold", outcome="loss", expected="win"), None),
        (MIXED + answers(4, "gold", outcome="loss", expected="win"), "0 of 4 gold items right"),
        (MIXED + answers(2, "gold", outcome="loss", expected="win") + answers(2, "gold", expected="win"), None),
        (MIXED + answers(4, "repeat", outcome="loss", expected="win"), "0 of 4 repeats alike"),
        (MIXED + answers(9, "repeat", expected=None), None),
        ([one._replace(seconds=1.0) for one in MIXED], "median of 1.0 s"),
        ([one._replace(seconds=1.0) for one in MIXED[:4]], None),
        ([one._replace(seconds=None) for one in MIXED], None),
        (answers(10), "10 of 10 answers by the same button"),
        (answers(10, outcome="tie"), "10 of 10 answers by the same button"),
        (answers(19) + answers(1, outcome="tie"), None),
    ],
)
def test_rules_exclude_who_breaks_them_and_nobody_on_too_little(given: list[Answered], broken: str | None) -> None:
    told = broken_rule(RULES, quality(given))
    assert (told is None) if broken is None else (told is not None and told.startswith(broken))


def test_whoever_answers_five_times_in_no_time_is_out_in_studies_that_say_so() -> None:
    hasty = quality(answers(5, "headline", seconds=0.5))
    assert broken_rule(ExclusionRules(), hasty) == "median of 0.5 s an answer, the rule asks for 3 s"
    assert broken_rule(ExclusionRules(), quality(answers(4, "headline", seconds=0.5))) is None
    # One that was stored before the rule asked about so few: it was fixed without.
    old = {name: value for name, value in ExclusionRules().model_dump().items() if name != "seconds_from"}
    assert broken_rule(ExclusionRules.kept(old), hasty) is None
    assert broken_rule(ExclusionRules.kept(ExclusionRules().model_dump()), hasty) is not None


def test_no_rule_excludes_nobody() -> None:
    rules = ExclusionRules(min_gold_share=None, min_median_seconds=None, max_same_choice=None)
    assert broken_rule(rules, quality(answers(50, "gold", outcome="loss", expected="win", seconds=0.1))) is None


def test_a_text_that_no_database_holds_is_stored_with_a_sign_for_it(store: Store) -> None:
    make(store, pairs=[headline(0, output="a\x00b\ud800c\td\n")])
    assert pairs_of(store)["pair-0"].output == "a\ufffdb\ufffdc\td\n"
