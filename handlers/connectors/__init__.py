"""One file a system: each makes changes there, keyed, and reads them back."""
