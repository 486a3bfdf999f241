"""The page's tables about form and knowledge: every way of asking and reading, and strict changes taken apart."""

from __future__ import annotations

from components.contracts.reading_results import FormatLoss, Reading
from components.contracts.verdict import Verdict
from components.report.sheets import Cell, Column, Notes, Sheet
from components.report.wording import count, percent, points

CHANNEL_WORDS = {
    "strict": "the whole reply, strictly",
    "extracted": "the answer inside the reply",
    "likelihood": "likelihood of the answers",
}
NO_VALUE = "no item has both readings of both models"


def reading_sheets(verdict: Verdict) -> list[Sheet]:
    """Both tables, each where there is something to say."""
    made = [format_sheet(verdict.format_loss)] if verdict.format_loss else []
    return [*made, readings_sheet(verdict.readings)] if verdict.readings else made


def format_sheet(losses: tuple[FormatLoss, ...]) -> Sheet:
    """Strict change = change of knowledge + change of form."""
    notes = Notes()
    columns = (
        Column("Benchmark", numeric=False),
        Column("n", "items with both readings of both models"),
        Column("Strict change", "whole reply against the answer, percentage points"),
        Column("Knowledge", "change when the answer is looked for inside the reply"),
        Column("Form", "the rest: how replies are written, not what they know"),
    )
    rows = tuple(
        (
            Cell(loss.benchmark),
            Cell(count(loss.n)),
            notes.cell(loss.strict, points, NO_VALUE, loss.strict_ci),
            notes.cell(loss.knowledge, points, NO_VALUE, loss.knowledge_ci),
            notes.cell(loss.form, points, NO_VALUE, loss.form_ci),
        )
        for loss in losses
    )
    return Sheet("format-table", "Knowledge and form apart", columns, rows, tuple(notes.reasons))


def readings_sheet(readings: tuple[Reading, ...]) -> Sheet:
    """One row a way of asking and reading; the headline's is marked."""
    notes = Notes()
    columns = (
        Column("Benchmark", numeric=False),
        Column("Asked", "prompt style of base and imitator", numeric=False),
        Column("Read", numeric=False),
        Column("n", "items with a score of both models"),
        Column("Base", "mean score"),
        Column("Imitator", "mean score"),
        Column("Change", "imitator minus base, percentage points"),
    )
    rows = tuple(_reading_cells(reading, notes) for reading in readings)
    return Sheet("readings-table", "Every way of asking and reading", columns, rows, tuple(notes.reasons))


def _reading_cells(reading: Reading, notes: Notes) -> tuple[Cell, ...]:
    why = reading.reason or "no reason recorded"
    same = reading.base_style == reading.imitator_style
    asked = reading.base_style if same else f"base {reading.base_style}, imitator {reading.imitator_style}"
    return (
        Cell(reading.benchmark, "in the verdict" if reading.headline else ""),
        Cell(asked),
        Cell(CHANNEL_WORDS[reading.channel]),
        Cell(count(reading.n), f"{count(reading.unscored)} unscored" if reading.unscored else ""),
        notes.cell(reading.base, percent, why),
        notes.cell(reading.imitator, percent, why),
        notes.cell(reading.delta, points, why, reading.delta_ci),
    )
