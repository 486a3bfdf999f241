"""Programs of the probe pods; nothing but Python's own library may be imported here."""
