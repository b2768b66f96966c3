"""Stories about money that comes in: heard of, settled once, granted, counted against the banks, and mended."""
