#!/usr/bin/env python3
"""Django's manage.py, which makes its own virtual environment when it is not run in one."""

import sys

from config import bootstrap

if __name__ == "__main__":
    bootstrap.main(sys.argv)
