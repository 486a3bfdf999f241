"""How files of several models meet: by id, never by position, and never by a thread.

A join is too thin when no more than half of the items of the larger model are shared (MIN_MATCHED_SHARE), or fewer than
30 although a model has that many (MIN_MATCHED). A model that misses half of the others' items is named.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from components.contracts.errors import TouchstoneError

MIN_MATCHED = 30
MIN_MATCHED_SHARE = 0.5
NAMED_IDS = 5


class Join(NamedTuple):
    """What met and what was left over."""

    name: str
    """`outputs`, or the benchmark."""
    given: Mapping[str, int]
    """Role -> ids it brought."""
    matched: int
    """Ids that all roles have."""
    dropped: Mapping[str, tuple[str, ...]]
    """Role -> its ids that some other role lacks."""
    missing: Mapping[str, tuple[str, ...]]
    """Role -> ids that some other role has and it lacks: the reason of the drops."""

    def lines(self) -> list[str]:
        """Sentences for a person; none when nothing was dropped."""
        found = []
        for role, ids in self.missing.items():
            if ids:
                found.append(f"{self.name}: the {words(role)} lacks {len(ids)} of {self.union} ({named(ids)}).")
        return found

    @property
    def union(self) -> int:
        """Ids that any role has."""
        role = next(iter(self.given))
        return self.given[role] + len(self.missing[role])

    def summary(self) -> dict[str, object]:
        """Counts and first ids for provenance."""
        return {
            "given": dict(self.given),
            "matched": self.matched,
            "dropped": {role: len(ids) for role, ids in self.dropped.items()},
            "missing": {role: [len(ids), *ids[:NAMED_IDS]] for role, ids in self.missing.items() if ids},
        }


def join(
    name: str,
    ids: Mapping[str, Collection[str]],
    *,
    what: str = "items",
    places: Mapping[str, str],
    texts: Mapping[str, str] = MappingProxyType({}),
) -> Join:
    """Compare the ids of several roles.

    Args:
        name: What is joined, for messages.
        ids: Role -> its ids, in its order.
        what: Plural noun of one id.
        places: Role -> file or option, for messages.
        texts: Id -> what a person knows it by, where ids are digests; for errors only.

    Raises:
        TouchstoneError: no overlap, or a join that is too thin; the model that lacks most is named.
    """
    sets = {role: set(found) for role, found in ids.items()}
    union = list(dict.fromkeys(item for found in ids.values() for item in found))
    shared = set.intersection(*sets.values())
    missing = {role: tuple(item for item in union if item not in found) for role, found in sets.items()}
    dropped = {role: tuple(item for item in found if item not in shared) for role, found in ids.items()}
    made = Join(name, {role: len(found) for role, found in ids.items()}, len(shared), dropped, missing)
    largest = max(made.given.values())
    if len(shared) <= MIN_MATCHED_SHARE * largest or len(shared) < min(MIN_MATCHED, largest):
        raise _too_thin(made, sets, what, places, texts)
    return made


def _too_thin(
    made: Join, sets: Mapping[str, set[str]], what: str, places: Mapping[str, str], texts: Mapping[str, str]
) -> TouchstoneError:
    # The stranger is the one who shares least with all others; of two strangers the later role is named first.
    overlap = {role: sum(len(mine & sets[other]) for other in sets if other != role) for role, mine in sets.items()}
    worst = min(reversed(list(sets)), key=lambda role: (overlap[role], made.given[role]))
    largest = max((role for role in sets if role != worst), key=made.given.__getitem__)
    here, total = len(sets[worst] & sets[largest]), made.given[largest]
    if here == 0:
        found = f"shares no {what} with the {words(largest)}"
    else:
        found = f"has only {here} of the {words(largest)}'s {total} {what}"
    return TouchstoneError(
        f"{made.name}: the {words(worst)} ({places[worst]}) {found}; {made.matched} are shared by all;"
        f" it lacks {named(texts.get(item, item) for item in made.missing[worst])}",
        expected=f"more than {MIN_MATCHED_SHARE:.0%} of the larger model's {what}, and {MIN_MATCHED} of many",
        remedy=f"run the {words(worst)} on the missing {what}, or give files of the same {what} for every model",
    )


def named(ids: Iterable[str]) -> str:
    """The first ids, and how many more."""
    listed = list(ids)
    more = f" and {len(listed) - NAMED_IDS} more" if len(listed) > NAMED_IDS else ""
    return ", ".join(listed[:NAMED_IDS]) + more


def words(role: str) -> str:
    """A role in a sentence."""
    return "second sample of the target" if role == "target_second" else role
