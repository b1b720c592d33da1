"""The way of one prediction: the ASGI entry, admission, the model's answer, the durable record.

Every line here costs each request; administration belongs to ``gateway.routes``.
"""
