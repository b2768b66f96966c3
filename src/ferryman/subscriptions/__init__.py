"""What a customer is owed, until when."""
