"""An audit that was not made to leave the house, made so afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from components.report.redaction import stand_in
from pipelines.audit.decide import Settings

JOINS = "matched"
MISSING = "missing"


def redacted(settings: Settings) -> Settings:
    """The settings without the ids that its remarks and joins name: where a file names none, the text is the id."""
    if settings.redact:
        return settings
    joins = settings.provenance.get(JOINS)
    joins = joins if isinstance(joins, Mapping) else {}
    remarks = settings.remarks
    for ids in _named(joins):
        # As `Join.lines` lists them: an id alone may be a number that stands elsewhere in the sentence.
        old, new = (f"({', '.join(listed)}" for listed in (ids, map(stand_in, ids)))
        remarks = tuple(line.replace(old, new) for line in remarks)
    made = {name: _without_ids(join) for name, join in joins.items()}
    provenance = {**settings.provenance, **({JOINS: made} if made else {})}
    return settings.model_copy(update={"redact": True, "remarks": remarks, "provenance": provenance})


def _named(joins: Mapping[str, object]) -> Iterator[list[str]]:
    """The ids that each join names of each role: a count stands before them."""
    for join in joins.values():
        missing = join.get(MISSING) if isinstance(join, Mapping) else None
        for counted in missing.values() if isinstance(missing, Mapping) else ():
            yield [part for part in counted if isinstance(part, str)]


def _without_ids(join: object) -> object:
    missing = join.get(MISSING) if isinstance(join, Mapping) else None
    if not isinstance(join, Mapping) or not isinstance(missing, Mapping):
        return join
    made = {
        role: [stand_in(part) if isinstance(part, str) else part for part in counted]
        for role, counted in missing.items()
    }
    return {**join, MISSING: made}
