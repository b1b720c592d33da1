"""Exit codes beside click's own: 0 done, 1 unforeseen, 2 wrong usage."""

EXIT_PERMANENT, EXIT_TRANSIENT = 3, 4
