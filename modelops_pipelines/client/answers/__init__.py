"""What the gateway answers: dataclasses with ``records()`` and ``frame()``. They are read by ``reading``."""
