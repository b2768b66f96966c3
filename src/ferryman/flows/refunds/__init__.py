"""Stories about money that goes back: what a payment is still worth, giving it back, and what goes with it."""
