"""Pages on how an endpoint does: traffic, quality, drift, objectives, alerts."""
