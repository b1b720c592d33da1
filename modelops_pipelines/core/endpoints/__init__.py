"""What an endpoint is: its settings, and every rule that a YAML file of one must obey.

Reading the YAML with its line numbers: ``operations.endpoints``.
"""
