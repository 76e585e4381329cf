"""Real software that tests run against: how it is found, started and stopped."""
