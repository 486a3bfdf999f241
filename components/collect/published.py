"""Published numbers, as a person types them from a paper: scores with n and source, support, a style table.

source: arXiv 2305.15717, Table 1        # for every number that has none of its own
benchmarks:
  nq:
    n: 3610
    num_shots: 3
    rounding: 1%                          # unit of the last printed digit
    supported: false                      # optional: whether the imitation data cover it
    scores: {base: 20%, imitator: 15%, target: {model: ChatGPT, value: 31%}}
style:                                    # optional: agreement with the target, as in the study's Table 2
  n: 255
  list_agreement: {base: 13%, imitator: 81%, target_second: 83%}
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from components.contracts import files
from components.contracts.errors import UsageError
from components.contracts.evidence_rows import PublishedScore, PublishedStyle, StyleMetricName, SupportClaim
from components.contracts.rows import Role

ScoreRole = Literal["base", "imitator", "target"]
StyleRole = Literal["base", "imitator", "target_second"]
_TOP = ("source", "benchmarks", "style", "models")
_BENCHMARK = ("n", "scores", "source", "rounding", "num_shots", "supported")
_SCORE = ("value", "model", "n", "source", "rounding")
_FRACTION = re.compile(r"\d+\s*%?")
_METRICS: tuple[StyleMetricName, ...] = get_args(StyleMetricName)


@dataclass(frozen=True)
class Published:
    """What a file of published numbers holds."""

    scores: tuple[PublishedScore, ...]
    claims: tuple[SupportClaim, ...]
    style: tuple[PublishedStyle, ...]


def read_published(path: Path) -> Published:
    """Read a YAML (or JSON) file of published numbers.

    Raises:
        TouchstoneError: not readable.
        UsageError: an unknown key or role, a number that is missing or impossible; file and key are named.
    """
    top = _Part(str(path), files.document(path).value)
    top.only(_TOP)
    source = top.text("source", path.name)
    models = {str(role): str(name) for role, name in top.part("models").value.items()}
    scores: list[PublishedScore] = []
    claims: list[SupportClaim] = []
    benchmarks = top.part("benchmarks")
    for name in benchmarks.value:
        part = benchmarks.part(str(name))
        part.only(_BENCHMARK)
        scores += _scores(str(name), part, source, models)
        supported = part.value.get("supported")
        if supported is not None:
            if not isinstance(supported, bool):
                raise part.error(f"supported is {files.show(supported)}", "true or false")
            claims.append(SupportClaim(benchmark=str(name), supported=supported))
    style = _style(top.part("style"), source)
    if not scores and not style:
        raise top.error("no numbers", "benchmarks: or style:")
    return Published(tuple(scores), tuple(claims), tuple(style))


def _scores(benchmark: str, part: _Part, source: str, models: Mapping[str, str]) -> list[PublishedScore]:
    rows = []
    given = part.part("scores")
    given.only(get_args(ScoreRole))
    for role in get_args(ScoreRole):
        if role not in given.value:
            continue
        entry = given.value[role]
        cell = _Part(given.file, entry if isinstance(entry, dict) else {"value": entry}, f"{given.path}.{role}")
        cell.only(_SCORE)
        rows.append(
            PublishedScore(
                benchmark=benchmark,
                role=_role(role),
                model=cell.text("model", models.get(role, role)),
                value=cell.share("value"),
                n=cell.count("n", part.count("n")),
                source=cell.text("source", part.text("source", source)),
                rounding=cell.share("rounding", part.share("rounding", 0.0)),
                num_shots=part.count("num_shots", 0, least=0) if "num_shots" in part.value else None,
            )
        )
    if not rows:
        raise part.error("no scores", f"scores: {{{', '.join(get_args(ScoreRole))}}}")
    return rows


def _style(part: _Part, source: str) -> list[PublishedStyle]:
    part.only(("n", "source", *_METRICS))
    rows = []
    for metric in _METRICS:
        cells = part.part(metric)
        cells.only(get_args(StyleRole))
        for role in get_args(StyleRole):
            if role in cells.value:
                row = PublishedStyle(
                    metric=metric,
                    role=role,
                    value=cells.number(role) if metric in ("unigram_f1", "length_correlation") else cells.share(role),
                    n=part.count("n") if "n" in part.value else None,
                    source=part.text("source", source),
                )
                rows.append(row)
    return rows


def _role(name: str) -> Role:
    roles: tuple[Role, ...] = get_args(Role)
    return next(role for role in roles if role == name)


class _Part:
    """A mapping of the file and the path of keys that leads to it."""

    def __init__(self, file: str, value: Mapping[str, object], path: str = "") -> None:
        self.file, self.value, self.path = file, value, path
        self.where = f"{file}: {path}" if path else file

    def error(self, found: str, expected: str) -> UsageError:
        return UsageError(f"{self.where}: {found}", expected=expected, remedy="correct the file of published numbers")

    def only(self, known: tuple[str, ...]) -> None:
        """Refuse keys that nobody would read."""
        for key in self.value:
            if key not in known:
                # YAML reads `{base: 35,1}` as base: 35 and a key 1.
                hint = "; numbers have a decimal point, not a comma" if _FRACTION.fullmatch(str(key)) else ""
                raise self.error(f"unknown key {key}", ", ".join(known) + hint)

    def part(self, key: str) -> _Part:
        found = self.value.get(key)
        if found is not None and not isinstance(found, dict):
            raise self.error(f"{key} is {files.show(found)}", f"a mapping under {key}")
        return _Part(self.file, found or {}, f"{self.path}.{key}" if self.path else key)

    def text(self, key: str, default: str) -> str:
        found = self.value.get(key, default)
        if not isinstance(found, str) or not found.strip():
            raise self.error(f"{key} is {files.show(found)}", f"{key} as text")
        return found

    def number(self, key: str, default: float | None = None) -> float:
        found = self.value.get(key, default)
        number = None
        if isinstance(found, str) and found.strip().endswith("%"):
            percent = files.as_number(found.strip()[:-1])
            number = None if percent is None else percent / 100
        elif not isinstance(found, bool):
            number = files.as_number(found)
        if number is None or not math.isfinite(number):
            raise self.error(f"{key} is {files.show(found)}", f"{key} as a number or a percentage")
        return number

    def share(self, key: str, default: float | None = None) -> float:
        number = self.number(key, default)
        if not 0.0 <= number <= 1.0:
            hint = f"; write {number:g}% for a percentage" if 1 < number <= 100 else ""
            raise self.error(f"{key} is {number:g}", f"a share from 0 to 1{hint}")
        return number

    def count(self, key: str, default: int | None = None, *, least: int = 1) -> int:
        found = self.value.get(key, default)
        if not isinstance(found, int) or isinstance(found, bool) or found < least:
            raise self.error(f"{key} is {files.show(found)}", f"{key}: a whole number of at least {least}")
        return found
