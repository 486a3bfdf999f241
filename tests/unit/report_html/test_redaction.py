"""What leaves the house: no word of a prompt or an answer, on the page or in its twins."""

import hashlib

from verdicts import extras, with_data

from components.report.html import render_html
from components.report.markdown import render_markdown
from components.report.page_inputs import ExampleOutput, ReportExtras
from components.report.redaction import redact_extras, redact_verdict, stand_in

SECRET = "the launch codes are 1234"


def test_a_stand_in_tells_length_and_digest_and_no_word() -> None:
    digest = hashlib.sha256(SECRET.encode()).hexdigest()[:12]
    assert stand_in(SECRET) == f"[5 words, 25 characters, sha256 {digest}]"
    assert stand_in("a\ud800b")  # half a pair, as broken files hold


def test_no_text_of_an_example_survives() -> None:
    example = ExampleOutput(
        prompt=f"prompt {SECRET}", base=f"base {SECRET}", imitator=SECRET, target=None, expected=SECRET, note="drawn"
    )
    given = redact_extras(ReportExtras(examples=(example,), sure_and_wrong=(example,)))
    for text in (render_html(with_data(), extras=given), render_markdown(with_data(), extras=given)):
        assert "launch" not in text
        assert "5 words" in text
    assert "drawn" in render_html(with_data(), extras=given)
    assert "No answer." in render_html(with_data(), extras=given)


def test_ids_of_dialogues_go_too_and_numbers_stay() -> None:
    before, after = with_data(), redact_verdict(with_data())
    assert before.data is not None
    assert after.data is not None
    assert [len(c.failing) for c in after.data.checks] == [len(c.failing) for c in before.data.checks]
    assert not {i for c in after.data.checks for i in c.failing} & {i for c in before.data.checks for i in c.failing}
    assert after.benchmarks == before.benchmarks


def test_a_page_that_is_not_redacted_says_nothing_of_it() -> None:
    assert "are left out of this page" not in render_html(with_data(), extras=extras())
