"""One file per method of proof. Each knows its own arithmetic, and neither the others nor the store."""
