"""Many programs through several pairs of boxes, and what a lost pair means."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from components.benchmark.sandbox.work import CONTROL, Boxes, BoxesLost, Program, Verdict

TRIES = 2
"""Pairs of boxes a program may cost before it is looked into."""

Open = Callable[[], Boxes]
Report = Callable[[Program, Verdict], None]


def run_all(programs: Iterable[Program], open_boxes: Open, report: Report, workers: int) -> None:
    """Run every program once and report each as soon as it is done, from the thread that ran it.

    Args:
        programs: What to run; taken one at a time as boxes become free.
        open_boxes: Makes a pair of boxes, in the thread that will use and close it.
        report: Told each program's verdict; called by one thread at a time.
        workers: Pairs of boxes at a time.

    Raises:
        TouchstoneError: boxes cannot be made.
    """
    waiting = iter(programs)
    taking, telling, stop = threading.Lock(), threading.Lock(), threading.Event()

    def taken() -> Iterator[Program]:
        while not stop.is_set():
            with taking:
                program = next(waiting, None)
            if program is None:
                return
            yield program

    cores = _cores(workers)

    def work(core: int | None) -> None:
        if core is not None:
            # A pair's processes take turns, hundreds of times a program: on one core a turn costs half as much.
            os.sched_setaffinity(0, {core})
        worker = _Worker(open_boxes)
        try:
            for program in taken():
                verdict = worker.run(program)
                with telling:
                    report(program, verdict)
        except BaseException:
            stop.set()
            raise
        finally:
            worker.close()

    with ThreadPoolExecutor(max(1, workers), thread_name_prefix="boxes") as threads:
        futures = [threads.submit(work, core) for core in cores]
        try:
            for future in futures:
                future.result()
        except BaseException:
            stop.set()
            raise


def _cores(workers: int) -> list[int | None]:
    """A core for each worker, where there are enough; its boxes inherit it."""
    allowed = sorted(os.sched_getaffinity(0))
    return list(allowed[:workers]) if 0 < workers <= len(allowed) else [None] * max(1, workers)


class _Worker:
    """One thread's boxes, made anew when they are lost."""

    def __init__(self, open_boxes: Open) -> None:
        self._open = open_boxes
        self._boxes: Boxes | None = None

    def run(self, program: Program) -> Verdict:
        reasons = []
        for _ in range(TRIES):
            try:
                return self._once(program)
            except BoxesLost as lost:
                reasons.append(str(lost))
                self.close()
        return self._blame(reasons)

    def _once(self, program: Program) -> Verdict:
        if self._boxes is None:
            self._boxes = self._open()
        return self._boxes.run(program)

    def _blame(self, reasons: list[str]) -> Verdict:
        """Whose doing it is that boxes are lost: where a program known to be sound runs, the program's."""
        try:
            sound = self._once(CONTROL).passed is True
        except BoxesLost as lost:
            self.close()
            sound = False
            reasons.append(str(lost))
        if sound:
            return Verdict(False, f"brought its sandbox down {TRIES} times: {reasons[-1]}")
        return Verdict(None, f"the sandbox failed: {'; '.join(reasons)}"[:500])

    def close(self) -> None:
        if self._boxes is not None:
            self._boxes.close()
            self._boxes = None
