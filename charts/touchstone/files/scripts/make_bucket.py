"""Makes the bucket of TOUCHSTONE_STORE unless it is there, waiting for a store that is still starting."""
# ruff: noqa: T201 - what a Job prints is its result

import os
import sys
import time
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.error import S3Error

WAIT_SECONDS = 240.0
PAUSE_SECONDS = 2.0
OURS_ALREADY = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}
NOT_YET = {"ServiceUnavailable", "SlowDown", "XMinioServerNotInitialized", "InternalError"}


def connect() -> Minio:
    """The store's client; it tries once, because the loop below does the waiting."""
    endpoint = urlsplit(os.environ["TOUCHSTONE_S3_ENDPOINT"])
    return Minio(
        endpoint=endpoint.netloc,
        access_key=os.environ["AWS_ACCESS_KEY_ID"],
        secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        region=os.environ["TOUCHSTONE_S3_REGION"],
        secure=endpoint.scheme == "https",
        http_client=urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=5, read=20)),
    )


def ensure(client: Minio, bucket: str) -> str:
    """Make the bucket if it is missing; says what was found."""
    if client.bucket_exists(bucket_name=bucket):
        return "was there"
    try:
        client.make_bucket(bucket_name=bucket)
    except S3Error as error:
        if error.code not in OURS_ALREADY:
            raise
        return "was there"
    return "made"


def why(client: Minio, bucket: str, refused: S3Error) -> str:
    """The store's own word for a refusal: the answer to HEAD has no body to hold it, the answer to GET has."""
    try:
        next(iter(client.list_objects(bucket_name=bucket)), None)
    except (S3Error, urllib3.exceptions.HTTPError) as error:
        return error.code if isinstance(error, S3Error) else refused.code
    return refused.code


def main() -> int:
    """0 when the bucket is there, 1 with the reason when it cannot be."""
    bucket = urlsplit(os.environ["TOUCHSTONE_STORE"]).netloc
    endpoint = os.environ["TOUCHSTONE_S3_ENDPOINT"]
    client, deadline = connect(), time.monotonic() + WAIT_SECONDS
    while True:
        try:
            print(f"bucket {bucket} {ensure(client, bucket)}", flush=True)
            return 0
        except S3Error as error:
            if error.code not in NOT_YET:
                reason = why(client, bucket, error)
                print(f"{endpoint} refuses bucket {bucket}: {reason}. Check the Secret's keys, or make the bucket")
                return 1
            reason = error.code
        except urllib3.exceptions.HTTPError as error:
            reason = type(error).__name__
        if time.monotonic() > deadline:
            print(f"{endpoint} did not answer within {WAIT_SECONDS:g} s: {reason}. kubectl get pods,svc,networkpolicy")
            return 1
        print(f"waiting for {endpoint}: {reason}", flush=True)
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
