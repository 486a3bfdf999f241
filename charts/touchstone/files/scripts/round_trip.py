"""`helm test`: an object to the store and back, and the crowd service ready. One line for each, exit 1 if one fails."""
# ruff: noqa: T201 - what a Job prints is its result

import os
import sys
import urllib.request
import uuid
from collections.abc import Callable
from io import BytesIO
from urllib.parse import urlsplit

import urllib3
from minio import Minio

TIMEOUT_SECONDS = 30.0


def store() -> str:
    """Write, read and delete an object under the configured prefix."""
    endpoint, place = urlsplit(os.environ["TOUCHSTONE_S3_ENDPOINT"]), urlsplit(os.environ["TOUCHSTONE_STORE"])
    client = Minio(
        endpoint=endpoint.netloc,
        access_key=os.environ["AWS_ACCESS_KEY_ID"],
        secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        region=os.environ["TOUCHSTONE_S3_REGION"],
        secure=endpoint.scheme == "https",
        http_client=urllib3.PoolManager(retries=urllib3.Retry(3, backoff_factor=1), timeout=TIMEOUT_SECONDS),
    )
    sent = uuid.uuid4().bytes * 4096
    name = "/".join(filter(None, [place.path.strip("/"), f".helm-test-{uuid.uuid4().hex}"]))
    client.put_object(bucket_name=place.netloc, object_name=name, data=BytesIO(sent), length=len(sent))
    try:
        answer = client.get_object(bucket_name=place.netloc, object_name=name)
        came_back = answer.read()
        answer.release_conn()
    finally:
        client.remove_object(bucket_name=place.netloc, object_name=name)
    if came_back != sent:
        raise ValueError(f"{len(sent)} bytes went in, {len(came_back)} other bytes came out")
    return f"{len(sent)} bytes to {os.environ['TOUCHSTONE_STORE']} and back"


def crowd() -> str:
    """Ask the crowd service whether it and its database are ready."""
    with urllib.request.urlopen(os.environ["CROWD_URL"], timeout=TIMEOUT_SECONDS) as answer:
        return f"{os.environ['CROWD_URL']} {answer.status}"


def main() -> int:
    """Try everything, so that one failure does not hide another."""
    checks: dict[str, Callable[[], str]] = {"store": store}
    if os.environ.get("CROWD_URL"):
        checks["crowd"] = crowd
    failed = 0
    for name, check in checks.items():
        try:
            print(f"ok      {name}: {check()}", flush=True)
        # Whatever goes wrong here is what the person who typed `helm test` wants to read.
        except Exception as error:
            failed += 1
            print(f"FAILED  {name}: {type(error).__name__}: {error}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
