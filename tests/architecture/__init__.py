"""What review would otherwise have to say twice: arrows, sizes, registrations, documents, and what is shipped."""
