"""What became of every record of the imitation data: kept, or set aside for which reason."""

from __future__ import annotations

from collections.abc import Sequence

from components.contracts.data_rows import DataFigures
from components.report.figures.frame import NAME_SIZE, NOTE_SIZE, Drawing, Layout, picture
from components.report.figures.svg import Svg, fit, group, rect, text, text_width, title
from components.report.wording import count

ROW = 26.0
BAR = 12.0


def flow_figure(figures: Sequence[DataFigures]) -> Svg:
    """One block of bars for each set of data; nothing when no record was set aside anywhere."""
    shown = [f for f in figures if f.removed]
    if not shown:
        return Svg("")
    words = "; ".join(
        f"{f.name or 'the data'}: {count(f.dialogues)} kept, "
        + ", ".join(f"{count(number)} {reason.replace('_', ' ')}" for reason, number in _reasons(f))
        for f in shown
    )
    return picture("data-flow", "Records kept and set aside", words, lambda layout: _draw(shown, layout))


def _reasons(f: DataFigures) -> list[tuple[str, int]]:
    return sorted(f.removed.items(), key=lambda part: (-part[1], part[0]))


def _draw(figures: Sequence[DataFigures], layout: Layout) -> Drawing:
    parts: list[Svg] = []
    y = 4.0
    for f in figures:
        if f.name and len(figures) > 1:
            parts.append(text(0, y + 14, fit(f.name, layout.width, NAME_SIZE), "name strong"))
            y += ROW
        largest = max([f.dialogues, *f.removed.values()])
        for label, number, class_ in [
            ("kept", f.dialogues, "fill-imitator"),
            *((reason.replace("_", " "), number, "fill-base") for reason, number in _reasons(f)),
        ]:
            parts.append(_bar(label, number, largest, class_, y, layout))
            y += ROW + (14 if layout.stacked else 0)
        y += 8
    return Drawing(group(*parts), y)


def _bar(label: str, number: int, largest: int, class_: str, y: float, layout: Layout) -> Svg:
    printed = count(number)
    left = layout.name_width
    room = layout.width - left - text_width(printed, NOTE_SIZE) - 24
    width = max(1.5, room * number / max(1, largest))
    top = y + (18 if layout.stacked else 3)
    return group(
        title(f"{label}: {printed}"),
        text(0, y + 13, fit(label, left or layout.width, NAME_SIZE), "name"),
        rect(left, top, width, BAR, class_, rx=2),
        text(left + width + 8, top + 10.5, printed, "small"),
    )
