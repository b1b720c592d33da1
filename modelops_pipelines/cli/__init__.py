"""The command line: ``main`` has the table of commands, ``commands`` their bodies, the other modules what they share.

A command parses, calls one operation and prints; decisions belong to ``operations`` and ``core``. Never
imports Dagster.
"""
