"""Accelerators: how much they hold and how fast they are at most, to plan with and to measure against."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from components.contracts.errors import UsageError
from components.contracts.yaml_documents import read_mapping

KNOWN = Path(__file__).with_name("devices.yaml")


class Device(BaseModel):
    """One accelerator; of a TPU one chip."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str
    """As it is asked for."""
    memory_gib: Annotated[float, Field(gt=0)]
    """Memory, in GiB."""
    bf16_tflops: Annotated[float, Field(gt=0)] | None = None
    """Dense peak in bf16, in 10^12 operations a second; null = it has no bf16."""
    fp32_tflops: Annotated[float, Field(gt=0)] | None = None
    """Peak in fp32; null = not known."""
    reported: str | None = None
    """What the driver calls it, or the words of that which tell it from others; null = not known by its driver."""

    def peak(self, precision: str) -> float:
        """Operations a second at most.

        Args:
            precision: A recipe's: bfloat16 or float32.

        Raises:
            UsageError: the device has no such arithmetic.
        """
        wanted, other = ("bf16", "float32") if precision == "bfloat16" else ("fp32", "bfloat16")
        tflops = self.bf16_tflops if precision == "bfloat16" else self.fp32_tflops
        if tflops is None:
            raise UsageError(
                f"the recipe computes in {precision}, and no {wanted} speed is known of {self.name}",
                expected="a device with that arithmetic",
                remedy=f"choose another --device, or set precision: {other} in the recipe",
            )
        return tflops * 1e12


def known(own: Path | None = None) -> dict[str, Device]:
    """Devices by name, those of a person's own file before ours.

    Raises:
        UsageError: the file is not one of devices.
    """
    found: dict[str, Device] = {}
    for path in (KNOWN, *([own] if own is not None else [])):
        for name, fields in read_mapping(path).items():
            try:
                values = fields if isinstance(fields, dict) else {}
                found[str(name).lower()] = Device.model_validate({"name": str(name), **values})
            except ValidationError as error:
                first = error.errors()[0]
                raise UsageError(
                    f"{path}, {name}: {'.'.join(map(str, first['loc']))}: {first['msg']}",
                    expected="NAME: {memory_gib: 80, bf16_tflops: 312, fp32_tflops: 19.5}",
                ) from error
    return found


def find(name: str, own: Path | None = None) -> Device:
    """A device by name.

    Raises:
        UsageError: there is none of that name.
    """
    devices = known(own)
    if name.lower() not in devices:
        raise UsageError(
            f"no device called {name}",
            expected=", ".join(devices),
            remedy="give --devices FILE with its memory_gib and bf16_tflops",
        )
    return devices[name.lower()]


@cache
def reported(name: str) -> Device | None:
    """The device whose driver calls it `name`; None where it is not known, as of CPUs.

    Of several whose words are in the name the one with the most letters: "H100 PCIe" is not an "H100".
    """
    fits = [d for d in known().values() if d.reported and re.search(rf"(?<!\w){re.escape(d.reported)}(?!\w)", name)]
    return max(fits, key=lambda device: len(device.reported or ""), default=None)
