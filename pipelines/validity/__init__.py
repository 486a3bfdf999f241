"""How often the verdict is right: simulated worlds with known truth, the field's usual practice beside it, tables."""
