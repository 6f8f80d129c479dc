"""The ports' adapters, one file per service; each receives ready clients and maps its vendor's errors."""
