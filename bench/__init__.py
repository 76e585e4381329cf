"""What Countersign costs, beside what it can't cost less than, in one run."""
