"""The stories: each one reads top to bottom and is the only place that knows two slices."""
