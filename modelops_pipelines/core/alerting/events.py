"""The names of what happens to an alert."""

OPENED, REOPENED, ACKNOWLEDGED, RESOLVED_EVENT = "opened", "reopened", "acknowledged", "resolved"
WORSENED, ESCALATED, FLAPPING, STEADY, SILENCED = "worsened", "escalated", "flapping", "steady", "silenced"
OPENINGS = (OPENED, REOPENED, WORSENED)
"""Events from which on an alert is new to people: it is to be taken on, and escalated if it is not."""
BEGINNINGS = (*OPENINGS, FLAPPING, STEADY)
"""Events that tell a channel of its own that there is an alert; the others follow one of these."""
