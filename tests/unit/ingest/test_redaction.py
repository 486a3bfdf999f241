"""Secrets and personal data go, look-alikes stay; the rules bring their own examples."""

from __future__ import annotations

import re
import time

import pytest
import yaml

from components.ingest.redaction import RULES, redact, redact_text, rules

ENTRIES = yaml.safe_load(RULES.read_text(encoding="utf-8"))
FINDS = [(entry["kind"], example) for entry in ENTRIES for example in entry["finds"]]
LEAVES = [(entry["kind"], example) for entry in ENTRIES for example in entry["leaves"]]


@pytest.mark.parametrize(("kind", "example"), FINDS)
def test_what_a_rule_is_for_is_replaced_and_nothing_beside_it(kind: str, example: str) -> None:
    plain = example.replace(">>", "").replace("<<", "")
    placeholder = f"[{kind.upper().replace('_', '-')}]"
    expected = re.sub(r">>.*?<<", lambda _: placeholder, example, flags=re.DOTALL)
    assert redact([plain]) == ([expected], {kind: 1})


@pytest.mark.parametrize(("kind", "example"), LEAVES)
def test_look_alikes_stay(kind: str, example: str) -> None:
    assert redact([example]) == ([example], {})


@pytest.mark.parametrize(("kind", "example"), FINDS)
def test_a_hint_or_shape_never_hides_what_the_pattern_would_find(kind: str, example: str) -> None:
    plain = example.replace(">>", "").replace("<<", "")
    # In a long text of other things, so that only the hint leads to it.
    long = f"{'Some words about nothing in particular. ' * 50}\n{plain}\n{'And so on. ' * 50}"
    assert redact([long])[1] == {kind: 1}


def test_counts_are_of_all_turns_together_and_other_turns_stay() -> None:
    texts = ["write to jane.doe77@gmail.com", "nothing here", "or to jd@web.de, or call +44 20 7946 0018"]
    redacted, counts = redact(texts)
    assert redacted == ["write to [E-MAIL]", "nothing here", "or to [E-MAIL], or call [PHONE]"]
    assert counts == {"e_mail": 2, "phone": 1}


def test_redacting_again_changes_nothing() -> None:
    once = [redact_text(example.replace(">>", "").replace("<<", "")) for _, example in FINDS]
    assert redact(once) == (once, {})


def test_no_secret_spans_two_turns() -> None:
    assert redact(["my card is 4539 1488", "0343 6467"]) == (["my card is 4539 1488", "0343 6467"], {})


@pytest.mark.parametrize(
    "unit", ["a@", "+1 2 3 ", "password=", "eyJ", "1.1.1.", "-----BEGIN PRIVATE KEY-----", "2001:", "://a:", "DE12"]
)
def test_hostile_repetition_takes_linear_time(unit: str) -> None:
    def seconds(size: int) -> float:
        text = unit * (size // len(unit))
        began = time.process_time()
        redact([text])
        return time.process_time() - began

    seconds(1_000)
    assert seconds(200_000) < 2.0


def test_every_rule_is_tried_on_both_sides() -> None:
    assert all(entry["finds"] and entry["leaves"] for entry in ENTRIES)
    assert len(rules()) == len(ENTRIES)
    assert all(rule.hints or rule.shapes for rule in rules())
