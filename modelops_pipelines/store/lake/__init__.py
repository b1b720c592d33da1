"""The lake's Delta tables: reading, writing, erasing, and all SQL on them.

The tables are declared in ``core.tables``; computations on them belong to ``operations``.
"""
