import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from components.contracts.errors import TouchstoneError
from images.archive import FILE_DATE, find_file, normalise

EPOCH = 1_700_000_000
OLD = EPOCH - 1000
Files = dict[str, tuple[bytes, float]]


def layer(files: Files) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, (data, date) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(data), date
            entry.pax_headers = {"SCHILY.xattr.user.note": name}
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def saved(path: Path, layers: list[bytes], date: str = "2030-01-01T00:00:00.123456789Z", images: int = 1) -> Path:
    """As `docker save` writes it."""
    config = {
        "created": date,
        "config": {"User": "65532"},
        "history": [{"created": "2001-01-01T00:00:00Z"}, {"created": date}],
        "rootfs": {"type": "layers", "diff_ids": digests_of(*layers)},
    }
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    manifest = [{"Config": "c.json", "RepoTags": ["a/b:1"], "Layers": names}] * images
    contents = {"c.json": json.dumps(config).encode(), "manifest.json": json.dumps(manifest).encode()}
    with tarfile.open(path, "w") as archive:
        for name, data in (contents | dict(zip(names, layers, strict=True))).items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


BASE = layer({"base": (b"b", OLD)})


def digests_of(*layers: bytes) -> list[str]:
    """Of the layers as they are when not compressed, as an image's configuration names them."""
    plain = [gzip.decompress(one) if one.startswith(b"\x1f\x8b") else one for one in layers]
    return ["sha256:" + hashlib.sha256(one).hexdigest() for one in plain]


def member(archive: Path, name: str) -> bytes:
    with tarfile.open(archive) as files:
        found = files.extractfile(name)
        assert found is not None
        return found.read()


def blob(archive: Path, digest: str) -> bytes:
    return member(archive, "blobs/sha256/" + digest.removeprefix("sha256:"))


def test_two_builds_of_the_same_files_have_one_digest(tmp_path: Path) -> None:
    digests = set()
    for number, date in enumerate((EPOCH + 5.25, EPOCH + 99_999.75)):
        made = saved(
            tmp_path / f"{number}.tar",
            [BASE, layer({"app": (b"a", date), "old": (b"o", date - 10**6)})],
            date=f"203{number}-01-01T00:00:00Z",
        )
        digests.add(
            normalise(made, tmp_path / f"out{number}.tar", ["localhost/a:1"], epoch=EPOCH, base=digests_of(BASE)).digest
        )
    assert len(digests) == 1


def test_another_file_has_another_digest(tmp_path: Path) -> None:
    one, two = (
        normalise(
            saved(tmp_path / "in.tar", [layer({"app": (data, EPOCH)})]), tmp_path / f"{data!r}", [], epoch=EPOCH
        ).digest
        for data in (b"a", b"b")
    )
    assert one != two


def test_files_of_our_own_layers_have_one_date_and_the_base_is_left_alone(tmp_path: Path) -> None:
    made = saved(tmp_path / "in.tar", [BASE, layer({"app": (b"a", EPOCH + 9.5), "old": (b"o", OLD)})])
    out = tmp_path / "out.tar"
    normalise(made, out, ["localhost/a:1"], epoch=EPOCH, base=digests_of(BASE))
    index = json.loads(member(out, "index.json"))
    manifest = json.loads(blob(out, index["manifests"][0]["digest"]))
    assert blob(out, manifest["layers"][0]["digest"]) == BASE
    with tarfile.open(fileobj=io.BytesIO(blob(out, manifest["layers"][1]["digest"]))) as entries:
        assert {entry.name: entry.mtime for entry in entries} == {"app": FILE_DATE, "old": FILE_DATE}
        assert entries.getmember("app").pax_headers["SCHILY.xattr.user.note"] == "app"
    config = json.loads(blob(out, manifest["config"]["digest"]))
    assert config["created"] == "2023-11-14T22:13:20Z"
    assert [step["created"] for step in config["history"]] == ["2023-11-14T22:13:20Z"] * 2
    assert config["config"] == {"User": "65532"}


def test_every_digest_in_the_layout_is_that_of_its_bytes(tmp_path: Path) -> None:
    out = tmp_path / "out.tar"
    names = ["localhost/a:1", "localhost/a:2"]
    packed = normalise(saved(tmp_path / "in.tar", [layer({"a": (b"a" * 5000, EPOCH + 1)})]), out, names, epoch=EPOCH)
    with tarfile.open(out) as files:
        for name in files.getnames():
            if name.startswith("blobs/"):
                assert hashlib.sha256(member(out, name)).hexdigest() == name.rpartition("/")[2]
    index = json.loads(member(out, "index.json"))
    assert {one["digest"] for one in index["manifests"]} == {packed.digest}
    assert [one["annotations"]["io.containerd.image.name"] for one in index["manifests"]] == names
    manifest = json.loads(blob(out, packed.digest))
    config = json.loads(blob(out, manifest["config"]["digest"]))
    assert config["rootfs"]["diff_ids"] == [one["digest"] for one in manifest["layers"]]
    assert packed.size == sum(one["size"] for one in manifest["layers"])
    assert not out.with_name("out.tar.blobs").exists()


def test_normalising_again_changes_nothing(tmp_path: Path) -> None:
    first = normalise(
        saved(tmp_path / "in.tar", [layer({"a": (b"a", EPOCH + 1)})]), tmp_path / "1", ["l/a:1"], epoch=EPOCH
    )
    again = normalise(tmp_path / "1", tmp_path / "2", ["l/a:1"])
    assert again == first
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_a_compressed_layer_is_stored_plain(tmp_path: Path) -> None:
    own = layer({"a": (b"a", OLD)})
    packed = set()
    for number, (base, app) in enumerate([(BASE, own), (gzip.compress(BASE), gzip.compress(own))]):
        made = saved(tmp_path / "in.tar", [base, app])
        packed.add(normalise(made, tmp_path / f"{number}", [], epoch=EPOCH, base=digests_of(BASE)))
    assert len(packed) == 1
    assert find_file(tmp_path / "1", "a") == b"a"


def test_a_file_is_read_from_the_uppermost_layer(tmp_path: Path) -> None:
    lower, upper = layer({"x": (b"old", OLD), "y": (b"y", OLD)}), layer({"x": (b"new", OLD)})
    normalise(saved(tmp_path / "in.tar", [lower, upper]), tmp_path / "out", [], epoch=EPOCH)
    assert find_file(tmp_path / "out", "x") == b"new"
    assert find_file(tmp_path / "out", "y") == b"y"
    assert find_file(tmp_path / "out", "z") is None


def test_a_layer_that_only_looks_like_the_bases_is_dated(tmp_path: Path) -> None:
    own = layer({"app": (b"a", EPOCH)})
    out = tmp_path / "out"
    normalise(saved(tmp_path / "in.tar", [own, BASE]), out, ["l/a:1"], epoch=EPOCH, base=digests_of(BASE))
    manifest = json.loads(blob(out, json.loads(member(out, "index.json"))["manifests"][0]["digest"]))
    assert blob(out, manifest["layers"][1]["digest"]) != BASE


def test_an_archive_of_two_images_and_a_damaged_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TouchstoneError, match="holds 2 images"):
        normalise(saved(tmp_path / "two.tar", [layer({})], images=2), tmp_path / "out", [], epoch=EPOCH)
    with tarfile.open(tmp_path / "empty.tar", "w"):
        pass
    with pytest.raises(TouchstoneError, match=r"lacks manifest\.json"):
        normalise(tmp_path / "empty.tar", tmp_path / "out2", [], epoch=EPOCH)
