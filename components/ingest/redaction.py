"""Secrets and personal data are replaced by placeholders. What counts as one is data: `data/redaction.yaml`.

A pattern proposes, a check disposes: numbers are phones only when they could be dialled, cards only when their check
digit fits, addresses only when they are routed in public. A miss leaks one person's data into a model; a false hit
costs a word. So formats of keys are matched widely, and numbers narrowly, because a text is full of numbers.
"""

from __future__ import annotations

import ipaddress
import math
import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

from components.contracts.yaml_documents import parse_yaml

RULES = Path(__file__).parent / "data" / "redaction.yaml"
SEPARATOR = "\x1f"
MIN_ENTROPY_BITS = 2.5
"""Of a character of a secret. `password1` has 2.9 and is a placeholder by its word; 12121212 has 1."""

_KEY_CHARACTERS = (string.ascii_letters + string.digits + "_-").encode()
_RUN = bytes.maketrans(_KEY_CHARACTERS, b"a" * len(_KEY_CHARACTERS))
_SHAPE = bytes.maketrans(b"123456789BCDEFGHIJKLMNOPQRSTUVWXYZ", b"000000000" + b"A" * 25)
_PLACEHOLDER = re.compile(
    r"(?i)x{4,}|\*{3,}|\.{3}|your|my[_-]|example|placeholder|password|passwd|secret|changeme|dummy|sample|insert|replace"
    r"|token|key[_-]?here|api[_-]?key|123456|abcdef|test[_-]?user|foobar|username|undefined|localhost"
)
# Code that fetches a secret is not one: a call, an attribute, a variable's name.
_CODE = re.compile(
    r"[(\[{]|^\w+(?:\.[A-Za-z_]\w*)+$|^[A-Z][A-Z0-9_]*$|^[a-z]+(?:[A-Z][a-z]+)+\d?$|^[a-z_]+\d?$|^[A-Za-z-]+$|^[\d.]+$"
)
_NO_MAIL_DOMAINS = re.compile(
    r"(?i)(?:^|[.-])(?:example|invalid|test|localhost|local|yourdomain|domain|yourcompany|company|mydomain|mycompany"
    r"|yourwebsite|website|mywebsite|yoursite|mysite|email|mail|foo|bar|acme|xyz|abc)\.[a-z.]+$|\.(?:example|invalid|test|local)$"
    r"|\.(?:png|jpe?g|gif|svg|webp|js|ts|py|css|html?|json|md|txt|zip|pdf|xml|ya?ml)$"
)
_PUBLIC_SERVICES = frozenset(
    {"8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "208.67.222.222", "208.67.220.220"}
)
_VERSION_BEFORE = re.compile(
    r"(?i)(?:\bv|versions?|ver\.|release|build|chrome|firefox|safari|section|chapter|§)[ /:=]*$"
)
_CONTEXT_CHARS = 16


class Rule(NamedTuple):
    """One kind of secret."""

    kind: str
    placeholder: str
    hints: tuple[bytes, ...]
    shapes: tuple[bytes, ...]
    run: bytes
    pattern: re.Pattern[str]
    check: Callable[[str, str], bool]


def redact(texts: Sequence[str]) -> tuple[list[str], dict[str, int]]:
    """The texts with placeholders, and how many of each kind were put in.

    One quick look at all texts together finds most conversations clean; only then are rules tried on single texts.
    """
    texts = list(texts)
    counts: Counter[str] = Counter()
    for rule in _Look(SEPARATOR.join(texts)).suspected(rules()):
        for number, text in enumerate(texts):
            if len(texts) == 1 or _Look(text).suspected([rule]):
                texts[number] = _replace(rule, text, counts)
    return texts, dict(sorted(counts.items()))


def redact_text(text: str) -> str:
    """One text with placeholders."""
    return redact([text])[0][0]


@cache
def rules() -> tuple[Rule, ...]:
    """The rules of `data/redaction.yaml`, in order: what an earlier one replaced, a later one does not see."""
    found = parse_yaml(RULES, RULES.read_text(encoding="utf-8"))
    assert isinstance(found, list)
    return tuple(
        Rule(
            kind=entry["kind"],
            placeholder=f"[{entry['kind'].upper().replace('_', '-')}]",
            hints=tuple(hint.encode() for hint in entry.get("hints", ())),
            shapes=tuple(shape.encode() for shape in entry.get("shapes", ())),
            run=b"a" * entry.get("run", 0),
            pattern=re.compile(entry["pattern"]),
            check=CHECKS[entry["check"]] if "check" in entry else lambda value, before: True,
        )
        for entry in found
    )


class _Look:
    """A text as bytes in three forms, in which substrings tell whether a rule can find anything.

    Substring search runs at gigabytes a second, a regular expression at fifty megabytes: translation turns the search
    for numbers and keys into a search for substrings too.
    """

    def __init__(self, text: str) -> None:
        self._raw = text.encode(errors="replace")

    def suspected(self, among: Sequence[Rule]) -> list[Rule]:
        """The rules whose hints and shapes are there."""
        return [
            rule
            for rule in among
            if (not rule.run or rule.run in self._runs)
            and (any(hint in self._lowered for hint in rule.hints) or any(mark in self._shape for mark in rule.shapes))
        ]

    @cached_property
    def _lowered(self) -> bytes:
        return self._raw.lower()

    @cached_property
    def _shape(self) -> bytes:
        return self._raw.translate(_SHAPE)

    @cached_property
    def _runs(self) -> bytes:
        return self._raw.translate(_RUN)


def _replace(rule: Rule, text: str, counts: Counter[str]) -> str:
    def put(match: re.Match[str]) -> str:
        group = next((name for name in ("secret", "bare") if match.groupdict().get(name) is not None), 0)
        value = match.group(group)
        start = match.start(group)
        if not rule.check(value, text[max(0, start - _CONTEXT_CHARS) : start]):
            return match.group()
        counts[rule.kind] += 1
        return text[match.start() : start] + rule.placeholder + text[match.end(group) : match.end()]

    return rule.pattern.sub(put, text)


def _entropy_bits(text: str) -> float:
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())


def is_no_placeholder(value: str, before: str) -> bool:
    """Not `your_password`, `xxxx` or the like."""
    return _PLACEHOLDER.search(value) is None


def is_key(value: str, before: str) -> bool:
    """Letters and digits in no order, and no placeholder."""
    mixed = any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
    return mixed and _entropy_bits(value) >= MIN_ENTROPY_BITS and _PLACEHOLDER.search(value) is None


def is_secret(value: str, before: str) -> bool:
    """The same, and no code that fetches the secret from elsewhere."""
    return is_key(value, before) and _CODE.search(value) is None


def is_address(value: str, before: str) -> bool:
    """A mailbox somebody may own: no domain reserved for examples, no file name, no git remote."""
    local, _, domain = value.rpartition("@")
    if local.lower() in {"git", "noreply", "no-reply"} or local.lower().startswith("your"):
        return False
    return _NO_MAIL_DOMAINS.search(domain) is None


def is_iban(value: str, before: str) -> bool:
    """Country, length and check digits fit (ISO 13616)."""
    from stdnum import iban

    return bool(iban.is_valid(value))


def is_card(value: str, before: str) -> bool:
    """An issuer's first digits, and Luhn's check digit fits (ISO/IEC 7812)."""
    from stdnum import luhn

    digits = re.sub(r"\D", "", value)
    issued = re.match(r"4|5[1-5]|2[2-7]|3[47]|3[0689]|35|6(?:011|4[4-9]|5)", digits)
    return bool(issued) and len(set(digits)) > 3 and bool(luhn.is_valid(digits))


def is_ssn(value: str, before: str) -> bool:
    """A US social security number that can have been given out."""
    from stdnum.us import ssn

    return bool(ssn.is_valid(value))


def is_phone(value: str, before: str) -> bool:
    """A number that can be dialled, by the tables of `phonenumbers`; a national one is taken as American.

    One that begins with 0 is taken as British, German, French, Australian or Indian. 555-0100 to 555-0199 are kept for
    fiction.
    """
    import phonenumbers

    if re.search(r"555\D?01\d\d$", value):
        return False
    for region in ("GB", "DE", "FR", "AU", "IN") if value.startswith("0") else ("US",):
        try:
            number = phonenumbers.parse(value, region)
        except phonenumbers.NumberParseException:
            return False
        if phonenumbers.is_valid_number(number):
            # A hotline is nobody's.
            return bool(phonenumbers.number_type(number) != phonenumbers.PhoneNumberType.TOLL_FREE)
    return False


def is_public_address(value: str, before: str) -> bool:
    """An address in public use; not a private or documentation range, a well-known resolver, a version or a section."""
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        return address.is_global and address in ipaddress.ip_network("2000::/3") and value.count(":") >= 4
    if value in _PUBLIC_SERVICES or _VERSION_BEFORE.search(before) or not address.is_global or address.is_multicast:
        return False
    # Numbers of sections and versions are small, all of them.
    return max(address.packed) >= 32


CHECKS: dict[str, Callable[[str, str], bool]] = {
    function.__name__: function
    for function in (
        is_no_placeholder,
        is_key,
        is_secret,
        is_address,
        is_iban,
        is_card,
        is_ssn,
        is_phone,
        is_public_address,
    )
}
