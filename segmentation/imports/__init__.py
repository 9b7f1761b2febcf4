"""Data in: files and batches of records become accounts, contacts, activities, opportunities and their changes."""
