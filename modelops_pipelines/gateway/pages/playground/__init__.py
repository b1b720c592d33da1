"""The page on which a person tries an endpoint: a form of one row, its answer, code for the same, the last tries."""
