"""A judge that may be another model tomorrow is refused before it is paid."""

from typing import Any

import pytest

from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.manifest import Manifest
from components.judge.pinning import check_pinned, is_dated, pin_of, warnings_of

DIGEST = "d" * 64


def replies(**changes: Any) -> Manifest:
    return Manifest.model_validate(
        {"contract": "Completion", "contract_version": 1, "num_rows": 0, "files": [], **changes}
    )


def asked(model: str, **notes: Any) -> Manifest:
    return replies(params={"backend": "api", "api": {"model": model}}, notes=notes)


@pytest.mark.parametrize(
    "model",
    ["gpt-4o-2024-08-06", "gpt-4-0613", "gpt-4-0125-preview", "claude-3-5-sonnet-20241022", "mistral-large-2411",
     "gemini-1.5-pro-002"],
)  # fmt: skip
def test_names_with_a_date_are_pinned(model: str) -> None:
    assert is_dated(model)
    check_pinned(model, "", "server")


@pytest.mark.parametrize(
    "model",
    ["gpt-4", "gpt-4o", "gpt-4-turbo", "chatgpt-4o-latest", "gpt-4o-2024-08-06-latest", "gpt-4-32k", "llama-3.1-405b",
     "qwen2.5-72b", "model-9999", "model-20249999", "claude-3-5-sonnet", "gemini-1.5-pro"],
)  # fmt: skip
def test_names_without_one_are_refused_with_what_to_type(model: str) -> None:
    with pytest.raises(UsageError, match="names no version") as error:
        check_pinned(model, "", "server")
    assert "gpt-4o-2024-08-06" in error.value.expected
    assert "--revision" in error.value.remedy


def test_a_revision_pins_a_served_model() -> None:
    check_pinned("qwen2.5-72b", "0123abc", "server")
    pin = pin_of("qwen2.5-72b", "0123abc", "server", asked("qwen2.5-72b"))
    assert pin == ("qwen2.5-72b@0123abc", "revision", "0123abc")
    with pytest.raises(UsageError, match="no commit and no sha256"):
        check_pinned("qwen2.5-72b", "main", "server")


def test_a_checkpoint_is_known_by_its_digest() -> None:
    check_pinned("", "", "checkpoint")
    made = replies(params={"backend": "hf"}, parents={"checkpoint": DIGEST})
    assert pin_of("ours", "", "checkpoint", made) == (f"ours@{'d' * 12}", "checkpoint", DIGEST)


@pytest.mark.parametrize(
    ("where", "manifest"),
    [
        ("server", asked("gpt-4-0314")),
        ("server", replies(params={"backend": "hf"}, parents={"checkpoint": DIGEST})),
        ("checkpoint", asked("gpt-4-0613")),
    ],
)
def test_replies_of_another_judge_are_refused(where: Any, manifest: Manifest) -> None:
    with pytest.raises(TouchstoneError, match="not the declared judge's"):
        pin_of("gpt-4-0613", "", where, manifest)


def test_a_server_that_answers_as_another_model_is_told() -> None:
    pin = pin_of("gpt-4-0613", "", "server", asked("gpt-4-0613"))
    assert warnings_of(pin, asked("gpt-4-0613", models_reported={"gpt-4-0613": 9})) == []
    assert "says that gpt-4-0314 answered" in warnings_of(pin, asked("x", models_reported={"gpt-4-0314": 9}))[0]
    assert "as 2 models" in warnings_of(pin, asked("x", models_reported={"a": 1, "b": 2}))[0]


def test_replayed_replies_are_tied_to_no_model_and_say_so() -> None:
    pin = pin_of("gpt-4-0613", "", "server", replies(params={"backend": "replay"}))
    assert pin.by == "nothing"
    assert "nothing ties gpt-4-0613" in warnings_of(pin, replies())[0]
