"""The company's rules as files: read, judged when they load, and what they may ask about."""
