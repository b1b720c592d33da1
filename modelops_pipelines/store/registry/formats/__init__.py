"""Formats of models that hold data only: what of each MLmodel file and folder is accepted, and how it is read.

One module a format; ``known_formats`` finds the one that a version belongs to. scikit-learn in skops format, what loads
by its hash, and who decides: ``store.registry.model_loader``.
"""
