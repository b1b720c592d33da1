"""Pages of alerting: alerts and what people do with them, silences, and the rules of an endpoint."""
