"""The scripts that run inside the boxes: standard library only, shipped as text (see `scripts`)."""
