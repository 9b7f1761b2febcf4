"""What the engine is measured against: other ways to the same history, and the runner of `manage.py bench`.

Nothing of the product imports from here, except for that command.
"""
