"""The operations of the client, by noun: each describes one request. ``client.clients`` joins them."""
