"""The database schema, version by version; applied at every start under an advisory lock."""
