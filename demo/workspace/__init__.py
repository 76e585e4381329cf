"""A Slack-compatible workspace of our own: the real app reaches it over Slack's real protocols."""
