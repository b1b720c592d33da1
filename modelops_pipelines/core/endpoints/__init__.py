"""An endpoint's settings, and the rules that validate its YAML file.

Reading the YAML with its line numbers: ``operations.endpoints``.
"""
