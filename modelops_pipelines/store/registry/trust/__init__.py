"""Signatures of models by OpenSSF's model signing: keys, verification, signing, and what a version is trusted by.

MLflow's signatures of inputs and outputs have nothing to do with it: ``store.registry.signatures``.
"""
