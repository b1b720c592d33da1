"""Gathers what is to be told into messages, sends them, and records what became of each try.

Who delivers, and when: ``operations.alerting.delivery.deliver``. How a message reaches a receiver: ``channels``.
"""
