"""Label Studio: tasks with its labeling configuration, and its JSON (or JSON-MIN) export back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from components.contracts.crowd_rows import StudyPair
from components.contracts.errors import TouchstoneError
from components.contracts.files import records, without_lone_surrogates
from components.contracts.places import disk_errors
from components.crowd.exchange.ratings import Choice, Rating, read_choice, read_seconds
from components.crowd.exchange.tickets import shown_pairs

CONFIG = """<View>
  <Header value="Which answer is better?"/>
  <Text name="prompt" value="$prompt"/>
  <View style="display: grid; grid-template-columns: 1fr 1fr; gap: 1.5em">
    <Text name="left" value="$left"/>
    <Text name="right" value="$right"/>
  </View>
  <Choices name="preference" toName="prompt" choice="single" required="true" showInLine="true">
    <Choice value="left"/>
    <Choice value="equal"/>
    <Choice value="right"/>
  </Choices>
</View>
"""
"""To be pasted into the project's labeling interface. A Pairwise tag in place of Choices is read too; it has no
`equal`."""


def write_tasks(path: Path, pairs: Iterable[StudyPair], *, turned: bool = False) -> int:
    """Write the tasks that a project imports; gives their number."""
    tasks = [
        {
            "data": {
                "ticket": shown.ticket,
                "prompt": without_lone_surrogates(shown.pair.prompt),
                "left": without_lone_surrogates(shown.left),
                "right": without_lone_surrogates(shown.right),
            }
        }
        for shown in shown_pairs(pairs, turned=turned)
    ]
    with disk_errors(path):
        path.write_text(json.dumps(tasks, ensure_ascii=False, indent=1), encoding="utf-8")
    return len(tasks)


def read_export(path: Path, *, rater: str = "") -> list[Rating]:
    """Ratings of an export, with every annotation of every task; tasks that nobody annotated give none.

    Args:
        path: JSON or JSON-MIN.
        rater: Who annotated, where the export does not say.

    Raises:
        TouchstoneError: the file is no such export.
    """
    found: list[Rating] = []
    for record in records(path):
        task = record.value
        data = task.get("data")
        if isinstance(data, Mapping):
            annotations = task.get("annotations", task.get("completions", []))
            if not isinstance(annotations, list):
                raise record.error("annotations is no list", expected="a JSON export of Label Studio")
            ticket = str(data.get("ticket", ""))
            found += [_annotation(record.where, ticket, given, rater) for given in annotations]
        elif "ticket" in task:
            choice, unscored = _choice(task.get("preference"))
            who = _name(task.get("annotator")) or rater
            found.append(
                Rating(record.where, str(task["ticket"]), who, choice, unscored, read_seconds(task.get("lead_time")))
            )
        else:
            raise record.error(
                "neither data nor ticket",
                expected="tasks as Label Studio exports them (JSON or JSON-MIN), made from our tasks",
            )
    return found


def _annotation(where: str, ticket: str, given: object, default_rater: str) -> Rating:
    if not isinstance(given, Mapping):
        raise TouchstoneError(f"{where}: an annotation is no object", expected="a JSON export of Label Studio")
    rater = _name(given.get("completed_by")) or default_rater
    seconds = read_seconds(given.get("lead_time"))
    if given.get("was_cancelled"):
        return Rating(where, ticket, rater, None, "skipped by the rater", seconds)
    results = given.get("result")
    values = [
        result.get("value")
        for result in (results if isinstance(results, list) else [])
        if isinstance(result, Mapping) and result.get("type") in {"choices", "pairwise"}
    ]
    if len(values) > 1:
        return Rating(where, ticket, rater, None, f"{len(values)} answers in one annotation", seconds)
    choice, unscored = _choice(values[0] if values else None)
    return Rating(where, ticket, rater, choice, unscored, seconds)


def _choice(value: object) -> tuple[Choice | None, str | None]:
    """`{"choices": ["left"]}`, `{"selected": "left"}`, or the word itself."""
    if isinstance(value, Mapping):
        value = value.get("selected", value.get("choices"))
    if isinstance(value, list):
        if len(value) > 1:
            return None, f"{len(value)} answers are marked"
        value = value[0] if value else ""
    return read_choice("" if value is None else str(value))


def _name(who: object) -> str:
    """Who annotated: a number, an address, or an object with either."""
    if isinstance(who, Mapping):
        who = who.get("email") or who.get("id")
    return "" if who is None else str(who).strip()
