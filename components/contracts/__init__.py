"""What flows on the arrows: row types, ports, manifests, step binding and user-facing errors."""
