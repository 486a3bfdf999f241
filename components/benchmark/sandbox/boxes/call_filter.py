"""A seccomp filter for the processes that run a model's program: without the system calls no honest program needs.

It stands behind the namespaces: should one of them have a hole, the call to use it is missing. It also keeps a program
from troubling the box it shares a user with (limits, priority, affinity), and from memory that no limit counts.
"""

from __future__ import annotations

import ctypes
import os
import struct

_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCH, _ARGUMENT = 0, 4, 16
_NEW_NAMESPACES = 0x7E020000 | 0x80
"""CLONE_NEW* of clone's flags: mount, cgroup, uts, ipc, user, pid, net; and time."""
_X32 = 0x40000000

_SHARED = {
    "io_uring": (425, 426, 427),
    "memory": (447,),  # memfd_secret
    "mount": (428, 429, 430, 431, 432, 442, 467),
    "landlock": (444, 445, 446),
    "others": (434, 438, 440, 448, 450),  # pidfd_open, pidfd_getfd, process_madvise, process_mrelease, home node
}
_X86_64 = {
    "clone": 56, "clone3": 435, "prlimit": 302,
    "denied": (
        41,  # socket
        29, 30, 31, 64, 65, 66, 68, 69, 70, 71,  # System V shared memory, semaphores, messages
        101, 310, 311, 312, 272, 308,  # ptrace, process_vm_*, kcmp, unshare, setns
        134, 135, 136, 139, 153, 154, 155, 156, 159, 161, 163, 164, 165, 166, 167, 168, 169, 170, 171, 172, 173,
        174, 175, 176, 177, 178, 179, 180, 212, 227, 305, 313, 320, 246,
        141, 142, 144, 203, 251, 314,  # priority, scheduling, affinity
        240, 241, 242, 243, 244, 245,  # message queues
        248, 249, 250, 298, 321, 323, 303, 304, 319, 279, 256, 253, 254, 294, 300, 301, 133,
    ),
}  # fmt: skip
_AARCH64 = {
    "clone": 220, "clone3": 435, "prlimit": 261,
    "denied": (
        198,
        186, 187, 188, 189, 190, 191, 192, 193, 194, 195, 196, 197,
        117, 270, 271, 272, 97, 268,
        39, 40, 41, 42, 51, 60, 89, 92, 104, 105, 106, 112, 142, 161, 162, 170, 171, 224, 225, 266, 273, 294,
        118, 119, 122, 140, 30, 274,
        180, 181, 182, 183, 184, 185,
        217, 218, 219, 241, 280, 282, 264, 265, 279, 238, 239, 26, 27, 262, 263, 33,
    ),
}  # fmt: skip
_MACHINES = {"x86_64": (0xC000003E, _X86_64), "aarch64": (0xC00000B7, _AARCH64)}


def compiled(machine: str = "") -> bytes:
    """The filter's instructions for a kind of processor; none for one that is not known."""
    known = _MACHINES.get(machine or os.uname().machine)
    if known is None:
        return b""
    arch, calls = known
    code: list[tuple[int, int, int, int]] = [
        (_LOAD, 0, 0, _ARCH), (_EQUAL, 1, 0, arch), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _ERRNO | _EPERM),
    ]  # fmt: skip
    denied = calls["denied"]
    assert isinstance(denied, tuple)
    for number in (*denied, *(number for group in _SHARED.values() for number in group)):
        code += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO | _EPERM)]
    # Its arguments are in memory, where a filter cannot look; the C library then uses clone.
    code += [(_EQUAL, 0, 1, int(str(calls["clone3"]))), (_RETURN, 0, 0, _ERRNO | _ENOSYS)]
    code += _unless(int(str(calls["clone"])), _ARGUMENT, (_ANY_BIT, 0, 1, _NEW_NAMESPACES), _EPERM)
    # A process of the same user may set another's limits: the box's own.
    code += _unless(int(str(calls["prlimit"])), _ARGUMENT, (_EQUAL, 1, 0, 0), _EPERM)
    code.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *line) for line in code)


def _unless(number: int, argument: int, test: tuple[int, int, int, int], errno: int) -> list[tuple[int, int, int, int]]:
    """Refuse call `number` where `test` of an argument falls through."""
    return [
        (_EQUAL, 0, 4, number),
        (_LOAD, 0, 0, argument),
        test,
        (_RETURN, 0, 0, _ERRNO | errno),
        (_RETURN, 0, 0, _ALLOW),
    ]


class _Instructions(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def install(code: bytes) -> None:
    """Put the filter over this process and all it starts; it cannot be taken off. No code: nothing is done.

    Raises:
        OSError: the kernel refuses it.
    """
    if not code:
        return
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    instructions = _Instructions(len(code) // 8, code)
    if prctl(38, 1, 0, 0, 0) or prctl(22, 2, ctypes.byref(instructions), 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")
