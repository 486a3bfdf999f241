import hashlib
import os
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.contracts.s3.ordered_digest import OrderedDigest

PART = 1000
SIZE = 10 * PART + 123


@pytest.fixture
def data() -> bytes:
    return random.Random(0).randbytes(SIZE)


@pytest.fixture
def descriptor(tmp_path: Path, data: bytes) -> Iterator[int]:
    path = tmp_path / "file"
    path.write_bytes(data)
    number = os.open(path, os.O_RDONLY)
    yield number
    os.close(number)


@pytest.mark.parametrize("seed", range(5))
def test_parts_in_any_order_fed_or_read_back(descriptor: int, data: bytes, seed: int) -> None:
    digest, parts, draw = (
        OrderedDigest(descriptor, size_bytes=SIZE, part_bytes=PART),
        list(range(11)),
        random.Random(seed),
    )
    draw.shuffle(parts)
    for part in parts:
        claimed = draw.random() < 0.7 and digest.claim(part)
        if claimed:
            for start in range(part * PART, min(part * PART + PART, SIZE), 300):
                digest.feed(data[start : min(start + 300, part * PART + PART)], start)
        digest.ready(part, claimed=claimed)
    assert digest.hexdigest() == hashlib.sha256(data).hexdigest()


def test_many_threads_at_once(descriptor: int, data: bytes) -> None:
    for _ in range(50):
        digest = OrderedDigest(descriptor, size_bytes=SIZE, part_bytes=PART)
        threads = [threading.Thread(target=digest.ready, args=(part,)) for part in range(11)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert digest.hexdigest() == hashlib.sha256(data).hexdigest()


def test_only_the_next_part_can_be_claimed_and_by_one(descriptor: int) -> None:
    digest = OrderedDigest(descriptor, size_bytes=SIZE, part_bytes=PART)
    assert not digest.claim(1)
    assert digest.claim(0)
    assert not digest.claim(0)
    digest.ready(0, claimed=True)
    assert digest.claim(1)


def test_bytes_fed_again_count_once(descriptor: int, data: bytes) -> None:
    digest = OrderedDigest(descriptor, size_bytes=SIZE, part_bytes=PART)
    assert digest.claim(0)
    digest.feed(data[:400], 0)
    digest.feed(data[:100], 0)
    digest.feed(data[:PART], 0)
    digest.ready(*range(11), claimed=True)
    assert digest.hexdigest() == hashlib.sha256(data).hexdigest()


def test_a_file_that_shrank(descriptor: int) -> None:
    digest = OrderedDigest(descriptor, size_bytes=SIZE + PART, part_bytes=PART)
    with pytest.raises(EOFError, match=f"ends at byte {SIZE}"):
        digest.ready(*range(12))
