"""How the store reaches its server: encrypted or not, the bucket in the path or in the host's name."""

import re
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from components.contracts import manifest as manifests
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.s3.connection import S3Access, patience_from_environment
from components.contracts.s3.patience import Patience
from components.contracts.s3.store import S3Store
from tests.unit.contracts.certificates import self_signed
from tests.unit.contracts.faulty_server import FaultyServer

MakeStore = Callable[..., S3Store]


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """A certificate of 127.0.0.1 signed by its own key, and the key, in one file."""
    return self_signed(tmp_path / "authority.pem")


@pytest.fixture
def encrypted(s3_access: S3Access, authority: Path) -> Iterator[FaultyServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    server = FaultyServer(urlsplit(s3_access.endpoint).netloc, context)
    yield server
    server.close()


def over(server: FaultyServer, s3_access: S3Access) -> S3Access:
    return S3Access(server.endpoint, s3_access.access_key, s3_access.secret_key)


@pytest.mark.slow
def test_over_https(
    make_store: MakeStore,
    s3_access: S3Access,
    encrypted: FaultyServer,
    authority: Path,
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    store = make_store(access=over(encrypted, s3_access))
    store.upload(checkpoint, "k")
    store.download("k", tmp_path / "fetched")
    manifests.verify(tmp_path / "fetched", manifests.read(checkpoint))
    assert len(encrypted.done("PUT", part=True)) == 6


def test_an_unknown_certificate_is_told_at_once(
    make_store: MakeStore, s3_access: S3Access, encrypted: FaultyServer, checkpoint: Path
) -> None:
    with pytest.raises(TouchstoneError, match="certificate is not trusted") as caught:
        make_store(access=over(encrypted, s3_access)).upload(checkpoint, "k")
    assert "export SSL_CERT_FILE" in caught.value.remedy
    assert encrypted.requests == []


def test_the_bucket_in_the_host_name(
    make_store: MakeStore, bucket: str, faulty: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo
    asked: list[str] = []

    def resolve(host: str, *args: object, **options: object) -> object:
        asked.append(host)
        return real("127.0.0.1", *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    access = S3Access(f"http://store.test:{faulty.port}", "a", "b", virtual_host=True)
    # What the server makes of the name is its own affair; here counts where and how it is asked.
    faulty.fail(404, "NoSuchKey", when=lambda request: request.method == "GET")
    assert not make_store(access=access).has("k")
    (request,) = faulty.requests
    assert asked == [f"{bucket}.store.test"]
    assert request.headers["host"] == f"{bucket}.store.test:{faulty.port}"
    assert request.key == "/some/prefix/k/manifest.json"


def test_temporary_credentials_send_their_token(make_store: MakeStore, faulty: FaultyServer) -> None:
    faulty.fail(404, "NoSuchKey")
    make_store(access=S3Access(faulty.endpoint, "a", "b", session_token="token-1")).has("k")
    (request,) = faulty.requests
    assert request.headers["x-amz-security-token"] == "token-1"
    assert "x-amz-security-token" in request.headers["authorization"]


@pytest.mark.slow
def test_signatures_equal_those_of_amazons_client(store: S3Store, faulty: FaultyServer, checkpoint: Path) -> None:
    store.upload(checkpoint, "k ü+&=")
    store.delete("k ü+&=")
    assert {request.method for request in faulty.requests} == {"GET", "PUT", "POST", "DELETE"}
    for request in faulty.requests:
        ours = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=[^,]+, SignedHeaders=([^,]+), Signature=(\w+)",
            request.headers["authorization"],
        )
        assert ours is not None
        signed = {name: request.headers[name] for name in ours[1].split(";")}
        access = store._connection.access
        signer = S3SigV4Auth(Credentials(access.access_key, access.secret_key), "s3", access.region)
        theirs = AWSRequest(request.method, f"{faulty.endpoint}{request.target}", signed)
        theirs.context["timestamp"] = signed["x-amz-date"]
        assert signer.signature(signer.string_to_sign(theirs, signer.canonical_request(theirs)), theirs) == ours[2]


def test_names_with_any_characters_are_signed_as_they_are_sent(
    make_store: MakeStore, s3_access: S3Access, tmp_path: Path
) -> None:
    """Asked of the server itself, which compares signatures if it is a real one."""
    store = make_store(access=s3_access)
    names = ["a b", "ü", "a+b", "a&b=c", "a%20b", "~x", "(y)", "a:b@c", "q?r#s", "1' 2\""]
    for name in names:
        store.write_bytes(f"names/{name}", name.encode())
    assert [store.read_bytes(key).decode() for key in store.keys("names/")] == [
        key.removeprefix("names/") for key in store.keys("names/")
    ]
    assert sorted(key.removeprefix("names/") for key in store.keys("names/")) == sorted(names)


@pytest.mark.parametrize(
    ("environ", "wrong"),
    [
        ({"TOUCHSTONE_S3_ENDPOINT": "minio:9000"}, "not the address of an S3 server"),
        ({"TOUCHSTONE_S3_ENDPOINT": "http://minio:9000/path"}, "not the address of an S3 server"),
        ({"TOUCHSTONE_S3_ADDRESSING": "sideways"}, "TOUCHSTONE_S3_ADDRESSING=sideways"),
    ],
)
def test_variables_that_cannot_be_meant(environ: dict[str, str], wrong: str) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    with pytest.raises(UsageError, match=wrong):
        S3Access.from_environment(keys | environ)


def test_variables() -> None:
    environ = {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_SESSION_TOKEN": "c",
        "TOUCHSTONE_S3_ENDPOINT": "http://minio:9000",
        "TOUCHSTONE_S3_REGION": "eu-west-1",
        "TOUCHSTONE_S3_ADDRESSING": "virtual",
    }
    assert S3Access.from_environment(environ) == S3Access("http://minio:9000", "a", "b", "c", "eu-west-1", True)
    assert patience_from_environment({"TOUCHSTONE_S3_PATIENCE_SECONDS": "600"}) == Patience(600)
    assert patience_from_environment({}).deadline_seconds == 300
    with pytest.raises(UsageError, match="TOUCHSTONE_S3_PATIENCE_SECONDS=soon"):
        patience_from_environment({"TOUCHSTONE_S3_PATIENCE_SECONDS": "soon"})
