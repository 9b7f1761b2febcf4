"""Reading activities out of the database, directly for few accounts and through an on-disk cache for all."""
