"""Load generator: what provinces would send, what must become of it, and the comparison with what did."""
