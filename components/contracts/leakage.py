"""Counts of leaked items, by benchmark: what the search notes, the gate checks and the report prints."""

from __future__ import annotations

from collections.abc import Iterable

from components.contracts.data_rows import BenchmarkLeakage, Overlap

STUDY_BLEU = 20.0
"""The study's limit for held-out prompts, counted for every benchmark beside the policy's own rule."""


def count_leakage(overlap: Iterable[Overlap]) -> list[BenchmarkLeakage]:
    """One row for each benchmark in the order of their names, the held-out prompts (no name) last."""
    groups: dict[str, list[Overlap]] = {}
    for row in overlap:
        groups.setdefault(row.benchmark, []).append(row)
    return [
        BenchmarkLeakage(
            benchmark=name,
            n=len(group),
            dirty=sum(row.dirty for row in group),
            bleu_mean=sum(row.bleu for row in group) / len(group),
            bleu_above_20=sum(row.bleu > STUDY_BLEU for row in group),
            ngram8_found=sum(bool(row.ngram8) for row in group),
            ngram13_found=sum(bool(row.ngram13) for row in group),
        )
        for name, group in sorted(groups.items(), key=lambda entry: (not entry[0], entry[0]))
    ]
