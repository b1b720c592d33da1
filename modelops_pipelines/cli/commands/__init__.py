"""One module per group of commands. A module is imported only when one of its commands is called.

What several commands share (output, opening the project, calling the gateway) lives one level up, in ``cli``.
"""
