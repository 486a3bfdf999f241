"""The boxes' scripts as one text each: all that the interpreter of a box is given."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

BOXES = Path(__file__).with_name("boxes")
PARTS = {
    "program": ("plain_values", "call_filter", "program_box"),
    "verifier": ("plain_values", "calls", "verifier_box"),
}
FUTURE = "from __future__ import annotations"
OWN = "from components."


@cache
def script(box: Literal["program", "verifier"]) -> str:
    """A box's program, without imports of ours: its modules one after another."""
    kept = [FUTURE]
    for name in PARTS[box]:
        skipping = False
        for line in (BOXES / f"{name}.py").read_text(encoding="utf-8").splitlines():
            if skipping or line == FUTURE or line.startswith(OWN):
                skipping = ")" not in line if skipping else line.endswith("(")
                continue
            kept.append(line)
    return "\n".join(kept) + "\n"
