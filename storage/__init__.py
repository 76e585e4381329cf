"""Rows. What the rest of the house remembers, and the evidence it leaves."""
