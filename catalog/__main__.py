"""`python -m catalog`, which `.venv/bin/catalog` runs."""

import sys

try:
    from catalog.app import app
except KeyboardInterrupt:
    # Nothing has begun; 130 is `catalog.errors.INTERRUPTED`, which may not be imported yet.
    sys.exit(130)

if __name__ == "__main__":
    app(prog_name="catalog")
