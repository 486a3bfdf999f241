"""Runs the suite through Great Expectations and reads its answer. The only module that knows that library."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from components.contracts.rows import GateCheck
from components.validate.suite import Expectation
from components.validate.table import DialogueFacts

MAX_FAILING_IDS = 20


class GateResult(NamedTuple):
    """What the suite said."""

    checks: list[GateCheck]
    """One for each expectation, in the suite's order."""
    document: dict[str, Any]
    """Great Expectations' validation result, without what differs between equal runs (times, random ids)."""


def hold(facts: Sequence[DialogueFacts], suite: Sequence[Expectation]) -> GateResult:
    """Hold a table of dialogues against the expectations. Nothing is sent or stored anywhere."""
    result = _run(facts, suite)
    by_name = {entry.expectation_config.meta["name"]: entry for entry in result.results}
    checks = [_check(expected, by_name[expected.words].to_json_dict(), facts) for expected in suite]
    return GateResult(checks, _stable(result.to_json_dict()))


def _run(facts: Sequence[DialogueFacts], suite: Sequence[Expectation]) -> Any:
    # Imported here: it takes 8 seconds, and the command line reads this box for its parameters. The variable stands
    # before the import because versions up to 1.20 read it then; the switch on the context covers the rest.
    os.environ["GX_ANALYTICS_ENABLED"] = "False"
    import great_expectations as gx
    import pandas as pd  # type: ignore[import-untyped]  # stubs are a package of their own, for one call
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    made = [
        getattr(gx.expectations, expected.kind)(**expected.arguments, meta={"name": expected.words})
        for expected in suite
    ]
    asset = context.data_sources.add_pandas("imitation_data").add_dataframe_asset("dialogues")
    definition = gx.ValidationDefinition(
        name="imitation_data",
        data=asset.add_batch_definition_whole_dataframe("all"),
        suite=context.suites.add(gx.ExpectationSuite(name="imitation_data", expectations=made)),
    )
    return context.validation_definitions.add(definition).run(
        batch_parameters={"dataframe": pd.DataFrame(list(facts), columns=list(DialogueFacts._fields))},
        result_format={
            "result_format": "SUMMARY",
            "partial_unexpected_count": MAX_FAILING_IDS,
            "unexpected_index_column_names": ["id"],
        },
    )


def _check(expected: Expectation, entry: dict[str, Any], facts: Sequence[DialogueFacts]) -> GateCheck:
    result = entry["result"]
    if not result:
        # A suite that names a missing column: the expectation was never evaluated, so it does not hold.
        return GateCheck(
            name=expected.words, passed=False, severity="error", observed=f"not evaluated: {_exception(entry)}"
        )
    indexes = result.get("partial_unexpected_index_list") or []
    failing = tuple(dict.fromkeys(str(index["id"]) for index in indexes))
    return GateCheck(
        name=expected.words,
        passed=bool(entry["success"]),
        severity=expected.severity,
        observed=_observed(result, len(facts)),
        failing=failing[:MAX_FAILING_IDS],
    )


def _observed(result: dict[str, Any], num_rows: int) -> str:
    if "unexpected_count" in result:
        count = result["unexpected_count"]
        share = f" ({count / num_rows:.1%})" if num_rows else ""
        return f"{count} of {num_rows} dialogues do not comply{share}"
    value = result["observed_value"]
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _exception(entry: dict[str, Any]) -> str:
    info = entry.get("exception_info") or {}
    # Great Expectations gives one record, or one for each metric that failed.
    records = [info] if "exception_message" in info else [v for v in info.values() if isinstance(v, dict)]
    messages = [str(record["exception_message"]) for record in records if record.get("exception_message")]
    return "; ".join(dict.fromkeys(messages)) or "no reason given"


def _stable(document: dict[str, Any]) -> dict[str, Any]:
    # Equal work gives equal bytes: an artifact's digest must not hang on the clock or on random ids.
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
