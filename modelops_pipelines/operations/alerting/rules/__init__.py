"""Which rules an endpoint has: those of its YAML, and those made at run time."""
