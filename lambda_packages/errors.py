"""The error that packaging raises."""


class PackagingError(Exception):
    """A deployment package cannot be built; the message says why and what to do. `dist` is unchanged."""
