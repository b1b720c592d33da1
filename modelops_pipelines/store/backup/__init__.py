"""Backups of a home: a folder elsewhere that holds its files, each once, and a manifest for each generation.

``operations.backup`` takes and restores them. What a home consists of belongs to the packages beside this one.
"""
