"""Presets, policy files, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.contracts.errors import UsageError
from components.report.policy import PRESET_FOLDER, Policy, load_policy, policy_from, preset_names


def test_the_study_preset_spells_out_the_defaults() -> None:
    assert load_policy("study") == Policy()


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_names_every_rule(name: str) -> None:
    import yaml

    keys = yaml.safe_load((PRESET_FOLDER / f"{name}.yaml").read_text())
    assert set(keys) == set(Policy.model_fields) - {"name"}


def test_the_release_gate_requires_a_gain_known_support_and_no_loss() -> None:
    policy = load_policy("release_gate")
    assert policy.require == ("CAPABILITY", "LOCAL")
    assert policy.require_support
    assert policy.critical_tolerance == 0.05
    assert policy.is_critical("anything")


def test_research_judges_by_a_stricter_level_and_needs_known_support() -> None:
    policy = load_policy("research")
    assert policy.alpha == 0.01
    assert policy.require_support
    assert policy.require == ()
    assert policy.judges.min_over_placebo > Policy().judges.min_over_placebo


def test_the_digest_follows_the_rules_and_not_the_name() -> None:
    assert Policy(name="a").digest == Policy(name="b").digest
    assert Policy(alpha=0.1).digest != Policy().digest


def test_an_unknown_key_is_named_with_its_file_and_the_accepted_keys(tmp_path: Path) -> None:
    path = tmp_path / "ours.yaml"
    path.write_text("alhpa: 0.1\n")
    with pytest.raises(UsageError, match=r"ours\.yaml: unknown key alhpa; did you mean alpha\?") as caught:
        load_policy(path)
    assert "style_captured" in caught.value.expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("alpha: 2\n", r"alpha: Input should be less than"),
        ("require: [WINNER]\n", r"require\.0"),
        ("- alpha\n", r"holds a list"),
        ("alpha: [\n", r"line 2: expected the node content"),
        ("alpha: 0.05\nalpha: 0.2\n", r"line 2: the key 'alpha' stands twice"),
        ("negligible_gap_closed: 0.4\n", r"negligible_gap_closed 0.4 must not exceed"),
        ("critical: [nq]\ncritical_tolerance: 0.005\n", r"0.005 must not be below regression_margin 0.01"),
        ("critical_tolerance: 0.05\n", r"critical_tolerance needs critical benchmarks"),
        ("supported_at: 0\nrequire: [CAPABILITY]\n", r"CAPABILITY that require demands could never come out"),
        ("behaviour: ['']\n", r"a name without any says nothing"),
    ],
)
def test_a_bad_policy_file_is_refused_with_the_reason(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=problem):
        load_policy(path)


def test_a_missing_file_is_refused_with_the_presets() -> None:
    with pytest.raises(UsageError, match=r"cannot read policy nowhere\.yaml") as caught:
        load_policy("nowhere.yaml")
    assert "release_gate, research, study" in caught.value.expected


def test_a_file_keeps_the_studys_rules_where_it_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "strict.yaml"
    path.write_text("critical: [nq]\n")
    policy = load_policy(path)
    assert policy == Policy(name="strict", critical=("nq",))


def test_an_empty_file_is_the_study_under_another_name(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text("# nothing yet\n")
    assert load_policy(path).digest == Policy().digest


def test_policy_keys_inside_another_file_are_checked_too() -> None:
    assert policy_from({"alpha": 0.1}, where="audit.yaml").alpha == 0.1
    with pytest.raises(UsageError, match=r"audit\.yaml: unknown key gate"):
        policy_from({"gate": True}, where="audit.yaml")


@pytest.mark.parametrize(
    ("name", "behaviour"),
    [
        ("RealToxicityPrompts", True),
        ("realtoxicityprompts_llama", True),
        ("real_toxicity_prompts", True),
        ("mmlu", False),
    ],
)
def test_toxicity_is_behaviour_however_it_is_written(name: str, behaviour: bool) -> None:
    assert Policy().is_behaviour(name) is behaviour
