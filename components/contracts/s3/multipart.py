"""S3's multipart uploads: begun, found again, continued, completed.

Every part carries a crc32, which the server compares with what arrived. A server that does not answer with it does not
know such checksums; there the part's ETag, an md5 of what was stored, is compared instead.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree

from minio.datatypes import ListMultipartUploadsResult, ListPartsResult

from components.contracts.s3.connection import Connection
from components.contracts.s3.failures import BUSY_CODES, Refused, error_in, explain
from components.contracts.s3.patience import CalledOff, Unavailable

MAX_PARTS = 10_000
SLICE_BYTES = 1 << 20
CHECKSUM = "x-amz-checksum-crc32"
_MD5 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Part:
    """A part that the server has."""

    etag: str
    """What the server calls its bytes; their md5 on most."""
    crc32: str
    """base64 of the checksum, as S3 writes it."""


@dataclass(frozen=True)
class HeldPart:
    """A part of an upload that was begun earlier, as the server lists it."""

    etag: str
    """What the server calls its bytes."""
    size_bytes: int
    """Length."""


def part_bytes_for(size_bytes: int, part_bytes: int) -> int:
    """Length of the parts of a file: `part_bytes`, or more where S3's 10,000 parts would not do."""
    needed = -(-size_bytes // MAX_PARTS)
    return max(part_bytes, -(-needed // SLICE_BYTES) * SLICE_BYTES)


def slices(data: memoryview, stopped: Callable[[], bool]) -> Iterator[memoryview]:
    """`data` in pieces small enough for a time limit each; ends early when nobody wants the result."""
    for start in range(0, len(data), SLICE_BYTES):
        if stopped():
            raise CalledOff
        yield data[start : start + SLICE_BYTES]


def crc32_text(crc32: int) -> str:
    """A crc32 as S3 writes it: base64 of the big-endian number."""
    return base64.b64encode(crc32.to_bytes(4, "big")).decode()


def begin(connection: Connection, key: str, metadata: Mapping[str, str]) -> str:
    """Open an upload of `key`; gives its id."""
    response = connection.ask(
        "POST",
        key,
        query={"uploads": ""},
        headers={"Content-Type": "application/octet-stream", "x-amz-checksum-algorithm": "CRC32", **metadata},
    )
    return _text(response.data, "UploadId")


def find_open(connection: Connection, key: str) -> list[str]:
    """Ids of the uploads of `key` that were begun and neither completed nor given up, the latest first."""
    response = connection.ask("GET", query={"uploads": "", "prefix": key, "encoding-type": "url"})
    found = [upload for upload in ListMultipartUploadsResult(response).uploads if upload.object_name == key]
    found.sort(key=lambda upload: str(upload.initiated_time), reverse=True)
    return [upload.upload_id for upload in found if upload.upload_id]


def list_parts(connection: Connection, key: str, upload_id: str) -> dict[int, HeldPart]:
    """Parts that the server has of an upload, by number from 1.

    Raises:
        Refused: NoSuchUpload.
    """
    held: dict[int, HeldPart] = {}
    marker = ""
    while True:
        query = {"uploadId": upload_id, "max-parts": "1000"} | ({"part-number-marker": marker} if marker else {})
        page = ListPartsResult(connection.ask("GET", key, query=query))
        for part in page.parts:
            held[part.part_number] = HeldPart(part.etag.strip('"'), int(part.size or 0))
        if not page.is_truncated or not page.next_part_number_marker:
            return held
        marker = page.next_part_number_marker


def send_part(
    connection: Connection,
    key: str,
    upload_id: str,
    number: int,
    data: memoryview,
    crc32: str,
    stopped: Callable[[], bool],
) -> Part:
    """Send part `number` (from 1), whose checksum is `crc32`, until it has arrived undamaged.

    Raises:
        Refused: NoSuchUpload.
        TouchstoneError: the store cannot be used.
    """

    def attempt() -> Part:
        response = connection.send(
            "PUT",
            key,
            query={"partNumber": str(number), "uploadId": upload_id},
            headers={CHECKSUM: crc32},
            body=slices(data, stopped),
            num_bytes=len(data),
        )
        etag = response.headers.get("etag", "").strip('"')
        echoed = response.headers.get(CHECKSUM)
        arrived = echoed == crc32 if echoed else not _MD5.fullmatch(etag) or etag == md5_of(data)
        if not arrived:
            raise Unavailable("a part arrived damaged")
        return Part(etag, crc32)

    return connection.repeat(attempt, stopped=stopped)


def complete(connection: Connection, key: str, upload_id: str, parts: Mapping[int, Part]) -> None:
    """Make the object out of its parts; until then nobody sees it.

    Raises:
        Refused: NoSuchUpload or InvalidPart.
    """
    root = ElementTree.Element("CompleteMultipartUpload", xmlns="http://s3.amazonaws.com/doc/2006-03-01/")
    for number in sorted(parts):
        part = ElementTree.SubElement(root, "Part")
        ElementTree.SubElement(part, "ChecksumCRC32").text = parts[number].crc32
        ElementTree.SubElement(part, "ETag").text = f'"{parts[number].etag}"'
        ElementTree.SubElement(part, "PartNumber").text = str(number)
    body = ElementTree.tostring(root)
    sha256 = hashlib.sha256(body).hexdigest()

    def attempt() -> None:
        response = connection.send(
            "POST",
            key,
            query={"uploadId": upload_id},
            headers={"Content-Type": "application/xml"},
            body=[body],
            num_bytes=len(body),
            sha256=sha256,
        )
        # A long completion is answered with 200 before it is known to succeed; the failure is then in the body.
        code, message = error_in(response.data)
        if code in BUSY_CODES:
            raise Unavailable(f"it answers {code}")
        if code in {"NoSuchUpload", "InvalidPart"}:
            raise Refused(code, message)
        if code:
            raise explain(code, message, endpoint=connection.access.endpoint, bucket=connection.bucket)

    connection.repeat(attempt)


def give_up(connection: Connection, key: str, upload_id: str) -> None:
    """Drop an upload and its parts; one that is gone already is no error."""
    try:
        connection.ask("DELETE", key, query={"uploadId": upload_id})
    except Refused as error:
        if error.code != "NoSuchUpload":
            raise


def md5_of(data: memoryview) -> str:
    """md5 (hex), as S3 names bytes."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _text(document: bytes, name: str) -> str:
    for element in ElementTree.fromstring(document).iter():
        if element.tag.rpartition("}")[2] == name:
            return element.text or ""
    raise Unavailable(f"its answer has no {name}")
