"""Demo data: the CRM of an invented software company, made by a seeded generator and written by COPY.

`world.build` makes everything in memory from the parameters alone; `load.load_demo` writes it into the database.
"""
