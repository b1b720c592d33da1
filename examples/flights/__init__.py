"""The demo: real departures from New York in 2013, played through the whole loop."""
