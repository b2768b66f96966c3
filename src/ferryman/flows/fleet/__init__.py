"""Stories about nodes: how they come, are watched, get into trouble, and go."""
