"""A pretend company in a box, for trying things out. Nothing here may run in production."""
