"""Exit codes in addition to click's own: 0 success, 1 unexpected error, 2 usage error."""

EXIT_PERMANENT, EXIT_TRANSIENT = 3, 4
