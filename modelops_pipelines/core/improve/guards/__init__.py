"""Tests of a training set's rows: values in, a verdict with its numbers out.

Running them: ``operations.improve.guards``.
"""
