"""Parquet and Arrow files, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from components.contracts.errors import TouchstoneError
from components.ingest.reading.raw_records import Item, RawRecord, damaged
from components.ingest.reading.sources import Limits

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

PARQUET_MAGIC = b"PAR1"
ARROW_MAGIC = b"ARROW1"
ARROW_STREAM_MAGIC = b"\xff\xff\xff\xff"
BUFFER_BYTES = 1 << 20
MOST_ROWS = 1_024


def is_columnar(head: bytes) -> bool:
    """Whether a file that begins with `head` is read here."""
    return head.startswith((PARQUET_MAGIC, ARROW_MAGIC, ARROW_STREAM_MAGIC))


def columnar_records(path: Path, head: bytes, limits: Limits) -> Iterator[Item]:
    """Rows as objects; nested columns as lists and objects. Batches are sized by the file's own statistics.

    Raises:
        TouchstoneError: pyarrow is not installed, or the file cannot be opened.
    """
    try:
        import pyarrow as pa
    except ImportError as error:
        raise TouchstoneError(
            f"{path} is a Parquet or Arrow file, and pyarrow is not installed",
            remedy="pip install 'touchstone-audit[data]'",
        ) from error
    try:
        batches = columnar_batches(path, head, limits)
        first = next(batches, None)
    except (pa.ArrowException, OSError) as error:
        raise TouchstoneError(
            f"{path}: the Parquet or Arrow file is cut off or damaged ({_first_line(error)})",
            expected="a whole file; its index stands at its end",
            remedy="fetch or write the file again",
        ) from error
    number = 0
    batch = first
    try:
        while batch is not None:
            for value in batch.to_pylist():
                number += 1
                yield RawRecord(f"row {number}", value)
            batch = next(batches, None)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        yield damaged(f"after row {number}", _first_line(error))


def columnar_batches(path: Path, head: bytes, limits: Limits) -> Iterator[pa.RecordBatch]:
    """The table in pieces, each about as large as a record may be at most."""
    batches = _parquet(path, limits) if head.startswith(PARQUET_MAGIC) else _arrow(path)
    return (part for batch in batches for part in _slices(batch, limits))


def _parquet(path: Path, limits: Limits) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    # Without these it holds a whole row group, and the next one, beside the batch.
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=BUFFER_BYTES) as file:
        about = file.metadata
        groups = [about.row_group(n) for n in range(about.num_row_groups)]
        widest = max((group.total_byte_size / max(1, group.num_rows) for group in groups), default=1.0)
        size = int(max(1, min(MOST_ROWS, limits.record_bytes / max(1.0, widest))))
        yield from file.iter_batches(batch_size=size)


def _arrow(path: Path) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    # Mapped, not read: a batch is as large as whoever wrote it liked.
    with pa.memory_map(str(path)) as source:
        if source.read(len(ARROW_MAGIC)) == ARROW_MAGIC:
            file = pa.ipc.open_file(source)
            yield from (file.get_batch(n) for n in range(file.num_record_batches))
        else:
            source.seek(0)
            yield from pa.ipc.open_stream(source)


def _slices(batch: pa.RecordBatch, limits: Limits) -> Iterator[pa.RecordBatch]:
    wide = batch.nbytes / max(1, batch.num_rows)
    rows = int(max(1, min(MOST_ROWS, limits.record_bytes / max(1.0, wide))))
    return (batch.slice(start, rows) for start in range(0, batch.num_rows, rows))


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
