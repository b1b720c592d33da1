"""Every table, declared once: columns, types, units, keys, partitions, and which table is derived from which.

DDL, Arrow schemas, Dagster's column metadata, the documentation and test frames are generated from these declarations.
No I/O here.
"""
