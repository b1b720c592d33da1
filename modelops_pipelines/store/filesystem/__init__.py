"""Durable files, locks between processes, and the identity of a process.

What is written with them: ``store.spool``, ``store.lake``, ``store.state``.
"""
