"""The one way in which packaging fails."""


class PackageError(Exception):
    """A package cannot be built; the message says why and what to do, and nothing in `dist` has changed."""
