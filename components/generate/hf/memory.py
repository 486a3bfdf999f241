"""What a full memory looks like, and how to empty it."""

from __future__ import annotations

import gc

import torch

_SIGNS = ("DefaultCPUAllocator: can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDA out of memory")
"""What torch's plain RuntimeErrors say when memory was refused: the CPU's allocator, cuBLAS's own workspace."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ended, so that a smaller batch may succeed."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def free_caches() -> None:
    """Give back what nobody holds any more. Call it outside the `except`: an exception's frames hold its tensors."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
