"""Logical names of the images steps run in; `touchstone compile --images` will replace them by digests."""

CPU = "touchstone/python-cpu"
TRAIN = "touchstone/python-train"
GENERATE = "touchstone/python-generate"
