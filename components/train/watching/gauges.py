"""Prometheus's gauges of a training that runs, pushed every few seconds to the Pushgateway that a task tells its end.

They are pushed into the task's own group (`contracts.metrics`), which keeps their last values when the task has ended
or was killed: the gateway's `push_time_seconds` tells how old they are.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping

from components.contracts.metrics import DEADLINE_SECONDS, JOB, PUSHGATEWAY, Recorder

PUSH_SECONDS = 15.0
GAUGES: Mapping[str, str] = {
    "touchstone_training_step": "Steps made.",
    "touchstone_training_steps": "Steps of the whole training.",
    "touchstone_training_loss": "Mean cross-entropy of the last step's learned tokens, in nats.",
    "touchstone_training_heldout_loss": "The same on dialogues kept out, where it was last measured.",
    "touchstone_training_grad_norm": "L2 norm of the last step's gradients before clipping.",
    "touchstone_training_learning_rate": "Of the last step.",
    "touchstone_training_tokens_per_second": "Tokens of blocks a second since this process began to train.",
    "touchstone_training_mfu": "Share of the device's peak that is reached, where the peak is known.",
    "touchstone_training_peak_memory_bytes": "Of tensors on a GPU, of the process on a CPU.",
    "touchstone_training_left_seconds": "Until the last step, at the speed so far.",
}
"""Name -> what it says."""
Values = Callable[[], Mapping[str, float]]


class Pushed:
    """A thread that pushes what it is told; nothing that goes wrong in it reaches the training."""

    def __init__(self, gateway: str, step: str, name: str, values: Values, *, seconds: float = PUSH_SECONDS) -> None:
        """Begin.

        Args:
            gateway: Address of the Pushgateway.
            step: The pipeline's step.
            name: The training's, as `bind` gives it to the task's own metrics.
            values: What is pushed, by the names of GAUGES; called in the thread.
            seconds: Between two pushes.
        """
        self._gateway, self._values, self._seconds = gateway, values, seconds
        self._key = Recorder(step, name).grouping_key()
        self._over = threading.Event()
        self._told = False
        self._thread = threading.Thread(target=self._run, name="training gauges", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Push once more, and end."""
        self._over.set()
        self._thread.join(2 * DEADLINE_SECONDS)

    def _run(self) -> None:
        while not self._over.wait(self._seconds):
            self._push()
        self._push()

    def _push(self) -> None:
        try:
            from prometheus_client import CollectorRegistry, Gauge, pushadd_to_gateway

            registry = CollectorRegistry()
            for name, value in self._values().items():
                Gauge(name, GAUGES[name], registry=registry).set(value)
            pushadd_to_gateway(self._gateway, JOB, registry, self._key, timeout=DEADLINE_SECONDS)
        # Whatever it is: hours of training are worth more than a gauge.
        except Exception as error:
            if not self._told:
                sys.stderr.write(f"training: its gauges are not pushed to {self._gateway}: {error}\n")
            self._told = True


def pushed(step: str, name: str, values: Values) -> Pushed | None:
    """Begin to push, where the environment names a Pushgateway."""
    gateway = os.environ.get(PUSHGATEWAY)
    return Pushed(gateway, step, name, values) if gateway else None
