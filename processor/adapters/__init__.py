"""The ports' adapters, one file a service; each receives ready clients and maps its vendor's errors."""
