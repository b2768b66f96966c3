"""What can be bought: plans, their terms, and prices per currency."""
