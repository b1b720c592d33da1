"""Rows as callers have them (dicts, columns, DataFrames, arrays), and their values, as JSON that means the same."""
