"""The lake's Delta tables: reading, writing, erasing, and every line of SQL that is run on them.

The tables are declared in ``core.tables``; what is computed from them belongs to ``operations``.
"""
