"""Reading facts out of the database into the engine's arrays. Queries only."""
