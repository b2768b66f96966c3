"""Stories about keys: where they belong, how they get there, and what an operator does with them."""
