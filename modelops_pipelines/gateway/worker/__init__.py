"""What one worker keeps up to date: the state it follows, the models it serves, live metrics, the watchdog.

Answering a request: ``gateway.hot_path``.
"""
