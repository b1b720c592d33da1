"""Every table declared once: columns, types, units, keys, partitions, and which table derives from which.

DDL, Arrow schemas, Dagster's column metadata, the documentation and test frames derive from here.
Nothing here reads or writes.
"""
