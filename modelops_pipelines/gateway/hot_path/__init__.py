"""The path of one prediction: the ASGI entry, admission, the model's prediction, the durable record.

Every line here adds latency to each request; administrative routes belong to ``gateway.routes``.
"""
