"""What runs inside the builds: bill of materials, stripping, the sandbox's root."""

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from images.inside import sandbox_root, sbom
from images.inside.strip_site import strip

STATUS = """Package: zlib1g
Status: install ok installed
Architecture: amd64
Version: 1:1.2.13.dfsg-1+b1
Description: compression
 library, with a line: that has a colon

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: base-files
Status: install ok installed
Architecture: amd64
Version: 12.4
"""


def test_debian_packages_follow_pythons_in_order_and_removed_ones_are_left_out() -> None:
    document = {"components": [{"name": "numpy"}], "metadata": {"timestamp": "now"}, "serialNumber": "urn:uuid:1"}
    merged = sbom.merge(document, sbom.installed(io.StringIO(STATUS)))
    assert [component["name"] for component in merged["components"]] == ["numpy", "base-files", "zlib1g"]
    assert merged["components"][2]["purl"] == "pkg:deb/debian/zlib1g@1%3A1.2.13.dfsg-1%2Bb1?arch=amd64"
    assert merged["bomFormat"] == "CycloneDX"
    assert "serialNumber" not in merged
    assert "timestamp" not in merged["metadata"]


def test_the_bill_of_an_image_without_packages_is_a_document(tmp_path: Path) -> None:
    only = tmp_path / "only"
    only.write_text("zlib1g\n")
    out = tmp_path / "deep" / "sbom.cdx.json"
    command = [sys.executable, sbom.__file__, os.devnull, str(out), "--only", str(only)]
    subprocess.run(command, input=STATUS, text=True, check=True)
    document = json.loads(out.read_text())
    assert [component["name"] for component in document["components"]] == ["zlib1g"]
    assert document["specVersion"]


def test_stripping_takes_tests_headers_and_stubs_and_nothing_a_program_reads(tmp_path: Path) -> None:
    kept = {
        "torch/bin/torch_shm_manager",
        "torch/testing/__init__.py",
        "pkg/__init__.py",
        "pkg/data.json",
        "pkg/latest/x.py",
    }
    gone = {
        "torch/include/a.h",
        "torch/bin/protoc",
        "pkg/tests/test_a.py",
        "pkg/__pycache__/a.pyc",
        "pkg/a.pyi",
        "pkg/liba.a",
        "pkg-1.dist-info/direct_url.json",
        "pkg-1.dist-info/uv_cache.json",
    }
    for name in kept | gone:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"12345")
    assert strip(tmp_path) == 5 * len(gone)
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()} == kept


@pytest.mark.slow
def test_a_record_lists_what_is_left_so_that_two_installs_of_a_wheel_are_one(tmp_path: Path) -> None:
    records = set()
    for moment in ("1", "2"):
        info = tmp_path / moment / "pkg-1.dist-info"
        info.mkdir(parents=True)
        (info.parent / "a, b.py").touch()
        (info / "uv_cache.json").write_text(moment)
        (info / "RECORD").write_text(
            f'"a, b.py",sha256=x,0\npkg-1.dist-info/uv_cache.json,sha256={moment},1\npkg-1.dist-info/RECORD,,\n'
        )
        strip(info.parent)
        records.add((info / "RECORD").read_text())
    assert records == {'"a, b.py",sha256=x,0\npkg-1.dist-info/RECORD,,\n'}


@pytest.mark.long
@pytest.mark.skipif(not shutil.which("ldd") or not Path("/sbin/ldconfig").exists(), reason="needs ldd and ldconfig")
def test_the_sandbox_holds_an_interpreter_and_no_other_program(tmp_path: Path) -> None:
    root = tmp_path / "root"
    subprocess.run([sys.executable, sandbox_root.__file__, str(root)], check=True)
    programs = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and os.access(path, os.X_OK) and ".so" not in path.name and path.suffix != ".py"
    }
    interpreter = Path(sys.executable).resolve()
    assert programs <= {str(interpreter).lstrip("/"), "bin/python", "bin/python3"}
    assert not [path for path in root.rglob("*") if path.name in {"pip", "ensurepip", "setuptools", "idlelib", "sh"}]
    assert (root / "tmp").stat().st_mode & 0o7777 == 0o1777
    if os.geteuid() == 0:
        trial = "import ssl, sqlite3, ctypes, decimal, lzma, multiprocessing; print(2 + 2)"
        done = subprocess.run(["chroot", str(root), "/bin/python", "-c", trial], capture_output=True, text=True)
        assert done.stdout == "4\n", done.stderr
