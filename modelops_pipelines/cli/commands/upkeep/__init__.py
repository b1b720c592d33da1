"""Commands that keep a home in order: maintenance, its audit, erasures.

Commands on endpoints and their versions: the modules beside this folder.
"""
