"""Runnable examples: each folder is a separate project that imports ``modelops_pipelines``."""
