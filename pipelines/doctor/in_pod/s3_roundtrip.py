"""Writes, reads, lists and deletes one small object in an S3 store, and tells the first thing that goes wrong.

Only Python's library is used: the same source runs here and, by `python -c`, in a pod of whatever image. Hence the
signature by hand, after AWS's document "Authenticating Requests: Using the Authorization Header (Signature Version 4)".

TOUCHSTONE_STORE (s3://BUCKET/PREFIX), TOUCHSTONE_S3_ENDPOINT, TOUCHSTONE_S3_REGION, AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY: as tasks get them
"""

from __future__ import annotations

import datetime
import email.utils
import hashlib
import hmac
import html
import http.client
import json
import os
import re
import socket
import ssl
import time
import urllib.parse
import uuid

SECONDS = 5.0
DEFAULT_REGION = "us-east-1"
LISTED = b"<Contents>"
AMAZON = "https://s3.{region}.amazonaws.com"


class Refused(Exception):
    """An answer other than success.

    Args:
        code: S3's name of the error; empty when the answer is not S3's.
        status: HTTP status; 0 when there was no answer.
        detail: The message in it.
        region: Where the bucket lives, when the answer says so.
    """

    def __init__(self, code: str, status: int, detail: str, region: str = "") -> None:
        super().__init__(detail)
        self.code = code
        self.status = status
        self.detail = detail
        self.region = region


class Store:
    """One bucket, addressed by path.

    Args:
        endpoint: http(s)://HOST[:PORT].
        region: Of the signature.
        bucket: Its name.
        access_key: Public half of the credentials.
        secret_key: Secret half.
        ahead: Seconds by which this clock is ahead of the true one (tests set it).
    """

    def __init__(
        self, endpoint: str, region: str, bucket: str, access_key: str, secret_key: str, ahead: float = 0.0
    ) -> None:
        self._url = urllib.parse.urlsplit(endpoint)
        self._region = region
        self._bucket = bucket
        self._keys = (access_key, secret_key)
        self._ahead = ahead
        self.skew = 0.0
        """Seconds by which this clock is ahead of the store's, by its last answer."""

    def request(self, method: str, key: str = "", query: str = "", body: bytes = b"") -> bytes:
        """Send one signed request.

        Args:
            method: HTTP method.
            key: The object; empty = the bucket.
            query: Already encoded, sorted by name.
            body: What to send.

        Raises:
            Refused: the store refused, or did not answer.
        """
        path = urllib.parse.quote(f"/{self._bucket}/{key}" if key else f"/{self._bucket}")
        make = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        connection = make(self._url.netloc, timeout=SECONDS)
        try:
            connection.request(
                method, f"{path}?{query}" if query else path, body, self._signed(method, path, query, body)
            )
            answer = connection.getresponse()
            content = answer.read()
        except ssl.SSLError as error:
            raise Refused("Certificate", 0, str(error)) from error
        except socket.gaierror as error:
            raise Refused("Name", 0, f"{self._url.hostname}: {error.strerror}") from error
        except (OSError, http.client.HTTPException) as error:
            raise Refused("NoAnswer", 0, str(error) or type(error).__name__) from error
        finally:
            connection.close()
        stamp = answer.getheader("Date")
        if stamp:
            self.skew = time.time() + self._ahead - email.utils.parsedate_to_datetime(stamp).timestamp()
        if answer.status >= 300:
            region = _tag(content, "Region") or answer.getheader("x-amz-bucket-region", "")
            raise Refused(_tag(content, "Code"), answer.status, _tag(content, "Message") or answer.reason, region)
        return content

    def _signed(self, method: str, path: str, query: str, body: bytes) -> dict[str, str]:
        moment = datetime.datetime.fromtimestamp(time.time() + self._ahead, datetime.UTC)
        stamp, day = moment.strftime("%Y%m%dT%H%M%SZ"), moment.strftime("%Y%m%d")
        digest = hashlib.sha256(body).hexdigest()
        headers = {"host": self._url.netloc, "x-amz-content-sha256": digest, "x-amz-date": stamp}
        names = ";".join(headers)
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        canonical = f"{method}\n{path}\n{query}\n{lines}\n{names}\n{digest}"
        scope = f"{day}/{self._region}/s3/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = f"AWS4{self._keys[1]}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        credential = f"AWS4-HMAC-SHA256 Credential={self._keys[0]}/{scope}"
        return {**headers, "authorization": f"{credential}, SignedHeaders={names}, Signature={signature}"}


def roundtrip(store: Store, prefix: str) -> dict[str, object]:
    """One object's whole life below `prefix`.

    Returns:
        `ok` and `seconds`, or `stage` (write, read, list, delete), `code`, `status`, `detail`, `region`; and `skew`.
    """
    key = f"{prefix.strip('/')}/touchstone-doctor-{uuid.uuid4().hex}".lstrip("/")
    content = os.urandom(1024)
    listing = f"list-type=2&prefix={urllib.parse.quote(key, safe='')}"
    stage, written, began = "write", False, time.monotonic()
    told: dict[str, object] = {}
    try:
        store.request("PUT", key, body=content)
        stage, written = "read", True
        if store.request("GET", key) != content:
            raise Refused("Changed", 200, "other bytes came back than were written")
        stage = "list"
        # The whole key is the prefix, so that anything listed is the object.
        if LISTED not in store.request("GET", query=listing):
            raise Refused("NotListed", 200, "the object is missing in the list")
        stage, written = "delete", False
        store.request("DELETE", key)
        if LISTED in store.request("GET", query=listing):
            raise Refused("NotDeleted", 200, "the object is still in the list")
        told = {"ok": True, "seconds": round(time.monotonic() - began, 3)}
    except Refused as refused:
        told = {"ok": False, "stage": stage, **vars(refused)}
        if written:
            try:
                store.request("DELETE", key)
            except Refused:
                told["left"] = key
    return {**told, "skew": round(store.skew, 1)}


def from_settings(settings: dict[str, str]) -> dict[str, object]:
    """The round trip that the settings of a task describe."""
    place = urllib.parse.urlsplit(settings["TOUCHSTONE_STORE"])
    region = settings.get("TOUCHSTONE_S3_REGION") or DEFAULT_REGION
    endpoint = settings.get("TOUCHSTONE_S3_ENDPOINT") or AMAZON.format(region=region)
    keys = settings["AWS_ACCESS_KEY_ID"], settings["AWS_SECRET_ACCESS_KEY"]
    return roundtrip(Store(endpoint, region, place.netloc, *keys), place.path)


def _tag(content: bytes, name: str) -> str:
    found = re.search(rf"<{name}>([^<]*)</{name}>", content.decode("utf-8", "replace"))
    return html.unescape(found[1]) if found else ""


if __name__ == "__main__":
    print(json.dumps(from_settings(dict(os.environ))))  # noqa: T201
