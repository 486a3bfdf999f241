"""What a person sees of a training while it runs: a bar or lines, TensorBoard's event files, Prometheus's gauges."""
