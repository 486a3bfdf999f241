"""What the service is told by its environment: secrets and addresses, read here and nowhere else.

DATABASE_URL                 the database (see `database`)
TOUCHSTONE_CROWD_SECRET      signs links and forms, and keys the hashes of identities
TOUCHSTONE_CROWD_PASSWORD    opens the admin's pages: in clear, or as `touchstone crowd password` prints it
TOUCHSTONE_CROWD_FRAMES      sites that may frame the rater's page, with blanks between; `mturk` = Mechanical Turk's
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from sqlalchemy import URL

from components.contracts.errors import UsageError

SECRET = "TOUCHSTONE_CROWD_SECRET"
PASSWORD = "TOUCHSTONE_CROWD_PASSWORD"
FRAMES = "TOUCHSTONE_CROWD_FRAMES"
MIN_SECRET = 16
MTURK_FRAMES = ("https://www.mturk.com", "https://workersandbox.mturk.com", "https://worker.mturk.com")


class Settings(NamedTuple):
    """What the pages need to know beside the database."""

    secret: bytes
    """Signs links and forms, and keys the hashes of identities: with another, all links are void and raters new."""
    password: str | None = None
    """Of the admin's pages, in clear or hashed; null = there are none."""
    frames: tuple[str, ...] = ()
    """Sites that may frame the rater's page."""


def read_settings(url: URL, environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings for the service over the database at `url`.

    Raises:
        UsageError: a secret is too short, or a frame is no site.
    """
    words = (environment.get(FRAMES) or "").split()
    frames = tuple(frame for word in words for frame in (MTURK_FRAMES if word == "mturk" else (word,)))
    for frame in frames:
        parts = urlsplit(frame)
        if parts.scheme not in {"https", "http"} or not parts.hostname or parts.path.strip("/") or ";" in frame:
            raise UsageError(f"{FRAMES} holds {frame!r}", expected="mturk, or sites such as https://www.example.org")
    return Settings(_secret(url, environment), environment.get(PASSWORD) or None, frames)


def _secret(url: URL, environment: Mapping[str, str]) -> bytes:
    given = environment.get(SECRET)
    if given:
        if len(given) < MIN_SECRET:
            raise UsageError(
                f"{SECRET} is short", expected=f"at least {MIN_SECRET} characters", remedy="openssl rand -hex 32"
            )
        return given.encode()
    if url.get_backend_name() == "sqlite":
        return _beside(Path(url.database)) if url.database and url.database != ":memory:" else secrets.token_bytes(32)
    if not url.password:
        raise UsageError(
            f"neither {SECRET} nor a password in the database's address is set",
            expected="a secret that all servers on this database share",
            remedy=f"export {SECRET}=$(openssl rand -hex 32)",
        )
    # Whoever has the database's password can write any vote: a key made of it protects as much, and all servers on
    # the database have it.
    return hmac.new(str(url.password).encode(), b"touchstone-crowd", hashlib.sha256).digest()


def _beside(database: Path) -> bytes:
    """The key in a file beside a SQLite database, made on first use and readable by its owner alone."""
    file = database.with_name(database.name + ".secret")
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(secrets.token_hex(32))
    except FileExistsError:
        pass
    except OSError as error:
        raise UsageError(
            f"{file} cannot be written: {error.strerror}", remedy=f"export {SECRET}=$(openssl rand -hex 32)"
        ) from error
    kept = file.read_text()
    if len(kept) < MIN_SECRET:
        raise UsageError(
            f"{file} is damaged",
            expected="the key made on first use",
            remedy="restore it, or remove it: every link becomes void",
        )
    return kept.encode()


def hashed(password: str, salt: bytes | None = None) -> str:
    """scrypt (RFC 7914; N = 2^14, r = 8, p = 1) of a password, as it may stand in the environment."""
    salt = salt or secrets.token_bytes(16)
    return f"scrypt:{salt.hex()}:{hashlib.scrypt(password.encode(), salt=salt, n=1 << 14, r=8, p=1).hex()}"


def opens(given: str, password: str) -> bool:
    """Whether `given` is the password; takes as long for a wrong one as for the right one."""
    if not password.startswith("scrypt:"):
        password = hashed(password, b"\0" * 16)
    salt = bytes.fromhex(password.split(":")[1])
    return hmac.compare_digest(hashed(given, salt), password)
