"""MMLU is one benchmark of 57 subjects, which the harness runs as 57 tasks."""

from __future__ import annotations

_NAMES = """
abstract_algebra anatomy astronomy business_ethics clinical_knowledge college_biology college_chemistry
college_computer_science college_mathematics college_medicine college_physics computer_security
conceptual_physics econometrics electrical_engineering elementary_mathematics formal_logic global_facts
high_school_biology high_school_chemistry high_school_computer_science high_school_european_history
high_school_geography high_school_government_and_politics high_school_macroeconomics high_school_mathematics
high_school_microeconomics high_school_physics high_school_psychology high_school_statistics
high_school_us_history high_school_world_history human_aging human_sexuality international_law jurisprudence
logical_fallacies machine_learning management marketing medical_genetics miscellaneous moral_disputes
moral_scenarios nutrition philosophy prehistory professional_accounting professional_law professional_medicine
professional_psychology public_relations security_studies sociology us_foreign_policy virology world_religions
"""
SUBJECTS = frozenset(_NAMES.split())
_HEADS = ("mmlu", "mmlu_flan", "hendrycksTest", "hendrycks_test")


def split_mmlu(task: str) -> tuple[str, str]:
    """(benchmark, subject) of an MMLU task; (task, "") of any other, MMLU-Pro and its relatives among them.

    `mmlu_anatomy` -> mmlu; `mmlu_anatomy_generative` -> mmlu_generative; `hendrycksTest-anatomy` -> mmlu.
    """
    # Longest first: `high_school_world_history` must not be taken for a shorter subject's name.
    for subject in sorted(SUBJECTS, key=len, reverse=True):
        head, found, tail = task.rpartition(subject)
        head = head.rstrip("_-")
        if found and (not tail or tail.startswith("_")) and (head in _HEADS or head.startswith("mmlu_flan_")):
            return f"{'mmlu' if head.startswith('hendrycks') else head}{tail}", subject
    return task, ""
