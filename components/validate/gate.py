"""Runs the suite through Great Expectations and reads its answer. The only module that knows that library."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.evidence_rows import GateCheck
from components.validate.suite import Expectation
from components.validate.tables import NOUNS, Tables

MAX_FAILING_IDS = 20
_KEY = {"dialogues": "row", "leakage": "benchmark", "categories": "category", "neighbours": "query"}


class Held(NamedTuple):
    """One expectation and what came of it."""

    check: GateCheck
    rows: tuple[int, ...]
    """Lines of the dialogues that fail it, at most 20; the same ones as `check.failing` names."""


class GateResult(NamedTuple):
    """What the suite said."""

    held: list[Held]
    """One for each expectation, in the suite's order."""
    document: dict[str, Any]
    """Great Expectations' validation result, without what differs between equal runs (times, random ids)."""

    @property
    def checks(self) -> list[GateCheck]:
        """The rows of the gate."""
        return [one.check for one in self.held]


def refuse_impossible(suite: Sequence[Expectation]) -> None:
    """Look at the suite before the data are: a misspelt expectation is not found out after an hour.

    Raises:
        UsageError: see `hold`.
        TouchstoneError: Great Expectations is not installed.
    """
    _expectations(suite)


def hold(tables: Tables, suite: Sequence[Expectation], *, seed: int = 0) -> GateResult:
    """Hold the tables against the expectations. Nothing is sent or stored anywhere.

    An expectation about something that was not measured does not hold, with severity warning: nothing is known. One
    that names a column which is not there does not hold either, with severity error.

    Args:
        tables: What was measured, and why not where it was not.
        suite: The expectations.
        seed: Which failing rows are listed when there are more than 20.

    Raises:
        UsageError: the suite asks for an expectation that Great Expectations does not have, or not with such arguments.
    """
    context, made = _context(), _expectations(suite)
    held: list[Held | None] = [_without_gx(expected, tables) for expected in suite]
    results: dict[str, Any] = {}
    for table in dict.fromkeys(expected.table for expected in suite):
        numbers = [n for n, expected in enumerate(suite) if expected.table == table and held[n] is None]
        if not numbers:
            continue
        frame = tables.frame(table).sample(frac=1.0, random_state=seed)
        result = _run(context, table, frame, [made[n] for n in numbers])
        by_number = {entry.expectation_config.meta["number"]: entry.to_json_dict() for entry in result.results}
        for number in numbers:
            held[number] = _held(suite[number], by_number[number], tables)
        results[table] = result.to_json_dict()
    return GateResult([one for one in held if one is not None], _stable(results))


def _expectations(suite: Sequence[Expectation]) -> list[Any]:
    gx = _great_expectations()
    made = []
    for number, expected in enumerate(suite):
        kind = getattr(gx.expectations, expected.kind, None)
        if kind is None:
            known = [name for name in dir(gx.expectations) if re.match(r"Expect[A-Z]", name)]
            close = difflib.get_close_matches(expected.kind, known, 3)
            raise UsageError(
                f"expectation {expected.words!r}: Great Expectations has no {expected.kind}",
                expected=", ".join(close) or "a class of great_expectations.expectations",
                remedy="correct its kind",
            )
        try:
            made.append(kind(**expected.arguments, meta={"name": expected.words, "number": number}))
        except (TypeError, ValueError) as error:
            raise UsageError(
                f"expectation {expected.words!r}: {_first_line(error)}",
                expected=f"arguments of {expected.kind}",
                remedy="correct its arguments",
            ) from error
    return made


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # pydantic: a headline, then one line for each field and its problem.
    return "; ".join(lines[1:3]) if len(lines) > 1 else "".join(lines)


def _without_gx(expected: Expectation, tables: Tables) -> Held | None:
    """What can be said of an expectation without evaluating it; None when it can be evaluated."""
    for name in (expected.table, *expected.columns):
        if reason := tables.unmeasured.get(name):
            check = GateCheck(name=expected.words, passed=False, severity="warning", observed=reason)
            return Held(check, ())
    there = tables.columns(expected.table)
    if missing := [column for column in expected.columns if column not in there]:
        found = f"not evaluated: no column {', '.join(missing)}; there are {', '.join(there)}"
        return Held(GateCheck(name=expected.words, passed=False, severity="error", observed=found), ())
    return None


def _great_expectations() -> Any:
    # Imported here: it takes 8 seconds, and the command line reads this box for its parameters. The variable stands
    # before the import because versions up to 1.20 read it then; the switch on the context covers the rest.
    os.environ["GX_ANALYTICS_ENABLED"] = "False"
    try:
        import great_expectations as gx
    except ImportError as error:
        raise TouchstoneError(
            "the gate needs Great Expectations, which is not installed", remedy="pip install 'touchstone-audit[data]'"
        ) from error
    return gx


def _context() -> Any:
    gx = _great_expectations()
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    return context


def _run(context: Any, table: str, frame: Any, expected: Sequence[Any]) -> Any:
    gx = _great_expectations()
    asset = context.data_sources.add_pandas(table).add_dataframe_asset(table)
    definition = gx.ValidationDefinition(
        name=table,
        data=asset.add_batch_definition_whole_dataframe("all"),
        suite=context.suites.add(gx.ExpectationSuite(name=table, expectations=list(expected))),
    )
    return context.validation_definitions.add(definition).run(
        batch_parameters={"dataframe": frame},
        result_format={
            "result_format": "SUMMARY",
            "partial_unexpected_count": MAX_FAILING_IDS,
            "unexpected_index_column_names": [_KEY[table]],
        },
    )


def _held(expected: Expectation, entry: Mapping[str, Any], tables: Tables) -> Held:
    result = entry["result"]
    if not result:
        # Great Expectations could not evaluate it, so it does not hold, whatever its severity.
        found = f"not evaluated: {_exception(entry)}"
        return Held(GateCheck(name=expected.words, passed=False, severity="error", observed=found), ())
    passed = bool(entry["success"])
    indexes = result.get("partial_unexpected_index_list") or []
    keys = list(dict.fromkeys(index[_KEY[expected.table]] for index in indexes))[:MAX_FAILING_IDS]
    if not passed and not keys and expected.listed:
        keys = tables.largest(expected.listed, MAX_FAILING_IDS)
    rows = tuple(sorted(int(key) for key in keys)) if expected.table == "dialogues" else ()
    names = [tables.dialogue_id(row) for row in rows] if rows else [str(key) for key in keys]
    check = GateCheck(
        name=expected.words,
        passed=passed,
        severity=expected.severity,
        observed=_observed(expected, entry, tables),
        failing=tuple(dict.fromkeys(names)),
    )
    return Held(check, rows)


def _observed(expected: Expectation, entry: Mapping[str, Any], tables: Tables) -> str:
    result = entry["result"]
    if highest := tables.highest(expected.table):
        return highest
    if "unexpected_count" in result:
        return _compliance(result, NOUNS[expected.table])
    if expected.kind == "ExpectTableColumnsToMatchSet":
        there = tables.columns(expected.table)
        return f"{len(there)} columns" if entry["success"] else f"there are {', '.join(there)}"
    value = result["observed_value"]
    if expected.kind == "ExpectColumnProportionOfUniqueValuesToBeBetween":
        return "nothing to compare" if value is None else f"{value:.1%}"
    shown = f"{value:.3g}" if isinstance(value, float) else str(value)
    return f"{shown} over {len(tables.neighbours)} queries" if expected.table == "neighbours" else shown


def _compliance(result: Mapping[str, Any], noun: str) -> str:
    count, missing = result["unexpected_count"], result.get("missing_count") or 0
    judged = result["element_count"] - missing
    failing = f"{count} of {judged} {noun} do not comply ({count / judged:.1%})" if count else ""
    found = failing or f"all {judged} {noun} comply"
    return f"{found}; {missing} unknown" if missing else found


def _exception(entry: Mapping[str, Any]) -> str:
    info = entry.get("exception_info") or {}
    # Great Expectations gives one record, or one for each metric that failed.
    records = [info] if "exception_message" in info else [v for v in info.values() if isinstance(v, dict)]
    messages = [str(record["exception_message"]) for record in records if record.get("exception_message")]
    return "; ".join(dict.fromkeys(messages)) or "no reason given"


def _stable(documents: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    # Equal work gives equal bytes: an artifact's digest must not hang on the clock or on random ids.
    return {
        "success": all(document["success"] for document in documents.values()),
        "tables": {name: _stable_table(document) for name, document in documents.items()},
    }


def _stable_table(document: dict[str, Any]) -> dict[str, Any]:
    meta = {key: document["meta"][key] for key in ("great_expectations_version", "active_batch_definition")}
    results = [
        {**entry, "expectation_config": {k: v for k, v in entry["expectation_config"].items() if k != "id"}}
        for entry in document["results"]
    ]
    for entry in results:
        info = entry.get("exception_info") or {}
        for record in [info, *(value for value in info.values() if isinstance(value, dict))]:
            # A traceback holds this machine's paths.
            record.pop("exception_traceback", None)
    return {
        "success": document["success"],
        "suite_name": document["suite_name"],
        "statistics": document["statistics"],
        "results": results,
        "meta": meta,
    }
