"""What is looked at every few seconds, beside the windows: capture, configurations, the home, live counts, new rows."""
