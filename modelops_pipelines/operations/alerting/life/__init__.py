"""What happens to an alert: verdicts, people and the clock change it, and who is told is written with the change."""
