"""What lies in a bucket."""

from __future__ import annotations

from collections.abc import Iterator

from minio.datatypes import parse_list_objects

from components.contracts.s3.connection import Connection


def list_objects(connection: Connection, prefix: str) -> Iterator[tuple[str, int]]:
    """Key and size in bytes of every object whose key begins with `prefix`, in order.

    Raises:
        TouchstoneError: the store cannot be used.
    """
    query = {"list-type": "2", "max-keys": "1000", "prefix": prefix, "encoding-type": "url"}
    while True:
        found, truncated, token, _ = parse_list_objects(connection.ask("GET", query=query))
        for item in found:
            yield str(item.object_name), int(item.size or 0)
        if not truncated or not token:
            return
        query["continuation-token"] = token
