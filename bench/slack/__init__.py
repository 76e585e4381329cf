"""Both ends of Slack's HTTP, for the benchmarks: servers that acknowledge, and a caller that signs."""
