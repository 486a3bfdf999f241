"""What an S3 server's refusals and a network's failures mean: try again, decide, or tell the user what to type."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from xml.etree import ElementTree

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    IncompleteRead,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)

from components.contracts.errors import TouchstoneError
from components.contracts.s3.patience import Unavailable

BUSY_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
BUSY_CODES = frozenset(
    {"RequestTimeout", "SlowDown", "InternalError", "ServiceUnavailable", "OperationAborted", "Busy"}
)
DAMAGED_CODES = frozenset(
    {"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "IncompleteBody"}
)
"""The body did not arrive as it was sent."""
PLAIN_CODES = frozenset({"NoSuchKey", "NoSuchUpload", "PreconditionFailed", "InvalidPart"})
"""Left to whoever asked."""
WRONG_CREDENTIALS = frozenset(
    {
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "InvalidToken",
        "ExpiredToken",
        "InvalidSecurity",
        "TokenRefreshRequired",
    }
)
WRONG_REGION = frozenset({"AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException"})
FULL = frozenset({"XMinioStorageFull", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "InsufficientStorage"})
_WITHOUT_BODY = {301: "PermanentRedirect", 403: "AccessDenied", 412: "PreconditionFailed", 507: "InsufficientStorage"}


class Refused(Exception):
    """The server answered that something is not there, or not so."""

    def __init__(self, code: str, message: str) -> None:
        """Keep S3's code (see `PLAIN_CODES`) and its words."""
        super().__init__(f"{code}: {message}")
        self.code = code


def failure(response: urllib3.BaseHTTPResponse, key: str, *, endpoint: str, bucket: str) -> Exception:
    """What to raise for an answer that is no success. Reads the answer's body."""
    with network_failures():
        body = response.data
    response.release_conn()
    code, message = error_in(body)
    if not code:
        missing = "NoSuchKey" if key else "NoSuchBucket"
        code = missing if response.status == 404 else _WITHOUT_BODY.get(response.status, "")
    if response.status in BUSY_STATUSES or code in BUSY_CODES:
        return Unavailable(f"it answers {response.status} {code or response.reason or ''}".rstrip())
    if code in DAMAGED_CODES:
        return Unavailable(f"a request arrived damaged ({code})")
    if code in PLAIN_CODES:
        return Refused(code, message)
    return explain(code or str(response.status), message, endpoint=endpoint, bucket=bucket)


def error_in(body: bytes) -> tuple[str, str]:
    """Code and message of an S3 error document; empty when `body` is none."""
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        return "", ""
    if root.tag.rpartition("}")[2] != "Error":
        return "", ""
    texts = {child.tag.rpartition("}")[2]: child.text or "" for child in root}
    return texts.get("Code", ""), texts.get("Message", "")


def explain(code: str, message: str, *, endpoint: str, bucket: str) -> TouchstoneError:
    """A refusal that no repetition mends, and what to type."""
    said = f"{code}: {message}" if message else code
    if code == "NoSuchBucket":
        return TouchstoneError(
            f"the object store {endpoint} has no bucket {bucket}",
            expected="a bucket that exists: none is made unasked",
            remedy=f"aws --endpoint-url {endpoint} s3 mb s3://{bucket}   (or correct TOUCHSTONE_STORE)",
        )
    if code in WRONG_CREDENTIALS:
        return TouchstoneError(
            f"the object store {endpoint} refuses the credentials ({said})",
            expected="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of this store, with AWS_SESSION_TOKEN where they are "
            "temporary",
            remedy="export AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=...   (in a cluster: Secret touchstone-s3)",
        )
    if code in {"AccessDenied", "AllAccessDisabled", "AccountProblem"}:
        return TouchstoneError(
            f"the object store {endpoint} denies these credentials access to bucket {bucket} ({said})",
            expected="the rights to list the bucket and its multipart uploads, and to get, put and delete its objects",
            remedy="grant them in the bucket's policy, or export AWS_ACCESS_KEY_ID=... of somebody who has them",
        )
    if code in WRONG_REGION:
        return TouchstoneError(
            f"the object store {endpoint} serves bucket {bucket} from another region ({said})",
            remedy="export TOUCHSTONE_S3_REGION=REGION   (the bucket's own)",
        )
    if code == "RequestTimeTooSkewed":
        return TouchstoneError(
            f"this machine's clock and that of the object store {endpoint} disagree ({said})",
            expected="less than 15 minutes of difference",
            remedy="set the clock (timedatectl set-ntp true) and run the same command again",
        )
    if code in FULL:
        return TouchstoneError(
            f"the object store {endpoint} is full ({said})",
            remedy="free space in the store and run the same command again: it continues",
        )
    return TouchstoneError(
        f"the object store {endpoint} refuses a request on bucket {bucket} ({said})",
        expected="a server that speaks plain S3: multipart uploads, ranges and If-Match",
        remedy="correct TOUCHSTONE_S3_ENDPOINT or TOUCHSTONE_STORE",
    )


@contextmanager
def network_failures() -> Iterator[None]:
    """Turn what goes wrong between here and the server into `Unavailable`. Only network calls belong inside.

    Raises:
        Unavailable: no connection, silence, or an answer that breaks off.
        TouchstoneError: the server's certificate is not to be trusted.
    """
    try:
        yield
    except (SSLError, ssl.SSLError) as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise TouchstoneError(
                f"the object store's certificate is not trusted: {error}",
                expected="a certificate signed by a known authority",
                remedy="export SSL_CERT_FILE=/path/to/the/authority.pem",
            ) from error
        raise Unavailable("the encrypted connection broke off") from error
    except (HTTPError, OSError) as error:
        raise Unavailable(_in_words(error)) from error


def _in_words(error: Exception) -> str:
    kinds: tuple[tuple[type[Exception], str], ...] = (
        (NameResolutionError, "its name is not known"),
        # A kind of ConnectTimeoutError, so it comes first.
        (NewConnectionError, "no connection"),
        (ConnectTimeoutError, "no connection within the time limit"),
        (ReadTimeoutError, "it is silent"),
        (IncompleteRead, "its answer broke off"),
        (TimeoutError, "it takes no more data"),
    )
    for kind, words in kinds:
        if isinstance(error, kind):
            return words
    if isinstance(error, ProtocolError) and any(isinstance(part, IncompleteRead) for part in error.args):
        return "its answer broke off"
    return "the connection broke off"
