"""Suppliers' updates from a Kinesis batch into the catalog, the archive and the cache."""
