"""Who is who: names and domains brought to one form, and accounts that may be one company. No Django in here."""
