"""One place where requests to S3 are signed, sent, repeated, and their failures put into words.

Built from the public pieces of the minio client (address, signature, errors) rather than from its `Minio` class: over
plain http that class hashes every body with sha256 and copies it, which would be half of an upload's work.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar, cast
from urllib.parse import SplitResult, urlsplit, urlunsplit

import certifi
import urllib3
from minio import time as minio_time
from minio.credentials import Credentials
from minio.helpers import BaseURL
from minio.signer import sign_v4_s3

from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.metrics import store_traffic
from components.contracts.s3.failures import failure, network_failures
from components.contracts.s3.patience import Clock, Patience, SystemClock, Unavailable, Waiting

T = TypeVar("T")

ENDPOINT = "TOUCHSTONE_S3_ENDPOINT"
REGION = "TOUCHSTONE_S3_REGION"
ADDRESSING = "TOUCHSTONE_S3_ADDRESSING"
PATIENCE = "TOUCHSTONE_S3_PATIENCE_SECONDS"
AMAZON = "https://s3.amazonaws.com"
UNSIGNED = "UNSIGNED-PAYLOAD"
CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0


@dataclass(frozen=True)
class S3Access:
    """Where an S3 server is and how to get in."""

    endpoint: str
    """http or https address of the server."""
    access_key: str
    """AWS_ACCESS_KEY_ID."""
    secret_key: str
    """AWS_SECRET_ACCESS_KEY."""
    session_token: str | None = None
    """AWS_SESSION_TOKEN, for temporary credentials."""
    region: str = "us-east-1"
    """Region that requests are signed for."""
    virtual_host: bool = False
    """Whether the bucket is part of the host name rather than of the path; always so on Amazon."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> S3Access:
        """What TOUCHSTONE_S3_* and AWS_* say.

        Raises:
            TouchstoneError: there are no credentials.
            UsageError: the endpoint is not an http address, or the addressing style is unknown.
        """
        endpoint = environ.get(ENDPOINT) or AMAZON
        parts = urlsplit(endpoint)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/"):
            raise UsageError(
                f"{ENDPOINT}={endpoint} is not the address of an S3 server",
                expected="http://HOST:PORT or https://HOST",
                remedy=f"export {ENDPOINT}=http://touchstone-minio.NAMESPACE.svc:9000",
            )
        style = environ.get(ADDRESSING) or "path"
        if style not in {"path", "virtual"}:
            raise UsageError(f"{ADDRESSING}={style}", expected="path or virtual", remedy=f"unset {ADDRESSING}")
        access, secret = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
        if not access or not secret:
            raise TouchstoneError(
                f"no credentials for the object store at {endpoint}",
                expected="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (in a pod: the Secret touchstone-s3)",
                remedy="export AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=...",
            )
        return cls(
            endpoint=endpoint,
            access_key=access,
            secret_key=secret,
            session_token=environ.get("AWS_SESSION_TOKEN") or None,
            region=environ.get(REGION) or "us-east-1",
            virtual_host=style == "virtual",
        )


def patience_from_environment(environ: Mapping[str, str] = os.environ) -> Patience:
    """The deadline that TOUCHSTONE_S3_PATIENCE_SECONDS names, or five minutes.

    Raises:
        UsageError: it is not a number of seconds.
    """
    value = environ.get(PATIENCE)
    try:
        return Patience(deadline_seconds=float(value)) if value else Patience()
    except ValueError:
        raise UsageError(f"{PATIENCE}={value}", expected="seconds, such as 600", remedy=f"unset {PATIENCE}") from None


class Connection:
    """Signed requests to one bucket, repeated while the server is busy or away. Safe to use from many threads."""

    def __init__(
        self,
        access: S3Access,
        bucket: str,
        *,
        num_connections: int,
        patience: Patience,
        clock: Clock | None = None,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        """Get ready; nothing is sent yet.

        Args:
            access: Server and credentials.
            bucket: The bucket.
            num_connections: Kept open at most.
            patience: When a silent or failing server is given up.
            clock: Time; the machine's when not given.
            read_seconds: Silence after which an answer is given up and asked for again.
        """
        self.access = access
        self.bucket = bucket
        self._url = BaseURL(access.endpoint, access.region)
        if access.virtual_host:
            self._url.virtual_style_flag = True
        self._credentials = Credentials(access.access_key, access.secret_key, access.session_token)
        self._pool = urllib3.PoolManager(
            maxsize=num_connections,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=read_seconds),
            # Repeated here, with a deadline and a word to the user, and not a second time underneath.
            retries=False,
            cert_reqs="CERT_REQUIRED",
            ca_certs=os.environ.get("SSL_CERT_FILE") or certifi.where(),
        )
        self._waiting = Waiting(
            f"object store {access.endpoint}",
            patience=patience,
            clock=clock or SystemClock(),
            on_retry=store_traffic.add_retry,
        )

    def repeat(self, action: Callable[[], T], *, stopped: Callable[[], bool] = lambda: False) -> T:
        """Do something with the server until it works; see `Waiting.call`.

        Raises:
            TouchstoneError: it did not work within the deadline, or cannot work.
        """
        try:
            return self._waiting.call(action, stopped=stopped)
        except Unavailable as error:
            raise TouchstoneError(
                f"the object store {self.access.endpoint} does not do its work: {error}",
                expected="an S3 server that answers",
                remedy=f"look after the server, or correct {ENDPOINT}; then run the same command again, it continues",
            ) from error

    def ask(
        self,
        method: str,
        key: str = "",
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        stopped: Callable[[], bool] = lambda: False,
    ) -> urllib3.BaseHTTPResponse:
        """Send a small request, as often as needed, and read the whole answer.

        Raises:
            Refused: the server says that something is not there, or not so.
            TouchstoneError: whatever else is wrong.
        """
        sha256 = hashlib.sha256(body).hexdigest()
        return self.repeat(
            lambda: self.send(
                method,
                key,
                query=query,
                headers=headers,
                body=[body] if body else (),
                sha256=sha256,
                num_bytes=len(body),
            ),
            stopped=stopped,
        )

    def send(
        self,
        method: str,
        key: str = "",
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Iterable[bytes | memoryview] = (),
        num_bytes: int = 0,
        sha256: str = UNSIGNED,
        stream: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        """Send one request once.

        Args:
            method: GET, PUT ...
            key: Object, "" for the bucket itself.
            query: Parameters of the address.
            headers: Headers; all are signed.
            body: Slices of the body. Each gets a time limit of its own, so that slow lines are no failures.
            num_bytes: Their length together.
            sha256: Of the body, or UNSIGNED where the body carries a checksum of its own.
            stream: Leave the body of the answer to the caller, who closes the answer.

        Raises:
            Unavailable: the server is busy, silent or away.
            Refused: as in `ask`.
            TouchstoneError: whatever else is wrong.
        """
        url = self._url.build(
            method=method,
            region=self.access.region,
            bucket_name=self.bucket,
            object_name=key or None,
            query_params=dict(query or {}),
        )
        length = {"Content-Length": str(num_bytes)} if method in {"PUT", "POST"} else {}
        signed = self._signed(method, url, {**(headers or {}), **length}, sha256)
        with network_failures():
            response = self._pool.urlopen(
                method,
                urlunsplit(url),
                body=body or None,
                headers=signed,
                preload_content=not stream,
            )
        if response.status >= 300:
            raise failure(response, key, endpoint=self.access.endpoint, bucket=self.bucket)
        return response

    def _signed(self, method: str, url: SplitResult, headers: Mapping[str, str], sha256: str) -> dict[str, str]:
        """Headers of a request with its signature and what the signature covers."""
        now = minio_time.utcnow()
        signed: dict[str, str | list[str] | tuple[str]] = {
            **headers,
            "Host": url.netloc,
            "x-amz-content-sha256": sha256,
            "x-amz-date": minio_time.to_amz_date(now),
        }
        if self._credentials.session_token:
            signed["X-Amz-Security-Token"] = self._credentials.session_token
        made = sign_v4_s3(
            method=method,
            url=url,
            region=self.access.region,
            headers=signed,
            credentials=self._credentials,
            content_sha256=sha256,
            date=now,
        )
        return cast("dict[str, str]", made)
