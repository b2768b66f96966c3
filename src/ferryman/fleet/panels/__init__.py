"""Panel types, one file or small package each."""
