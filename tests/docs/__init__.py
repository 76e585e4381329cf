"""What the house rules and the documents say, checked against the code."""
