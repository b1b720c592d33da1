"""Explanations of a loaded model's answers: by what its library can say exactly, else by asking it about mixed rows.

Who asks: the gateway for a request (``gateway.hot_path``), a process of its own for rows of the log
(``operations.explanations``).
"""
