"""The routes of alerting: rules, alerts, silences, objectives, and messages that could not be delivered."""
