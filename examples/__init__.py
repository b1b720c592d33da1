"""Examples that run: each folder is a project of its own that imports ``modelops_pipelines``."""
