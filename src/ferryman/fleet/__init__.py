"""Nodes and their panels, the keys on them, and what makes the two agree with what is owed."""
