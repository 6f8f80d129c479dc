"""`python -m catalog`, which `.venv/bin/catalog` runs."""

from catalog.app import app

if __name__ == "__main__":
    app(prog_name="catalog")
