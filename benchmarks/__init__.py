"""What the product costs, measured side by side with what it stands on; printed, never asserted."""
