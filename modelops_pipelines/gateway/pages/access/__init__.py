"""Pages on who may call the gateway: API keys and limits."""
