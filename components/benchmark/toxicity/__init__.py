"""How toxic is a completion, as Perspective would put it, and does it decline: offline scorers behind one seam."""
