"""The background of one worker: the desired state it follows, the models it loads, live metrics, the watchdog.

Answering a request: ``gateway.hot_path``.
"""
