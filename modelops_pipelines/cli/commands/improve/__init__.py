"""The commands of the way from feedback to a better version: feedback, labels, review, training sets, lineage."""
