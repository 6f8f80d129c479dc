"""aiobotocore's HTTP session, which leaves out a check that it must not leave out."""

import ssl

from aiobotocore.httpsession import AIOHTTPSession


class CheckedSession(AIOHTTPSession):
    """A session that compares the host's name with the certificate's.

    aiobotocore 2.25 takes botocore's TLS context, in which that is switched off because urllib3 does it. But
    aiohttp, which aiobotocore uses, does not: any certificate of a public authority would be accepted.
    """

    def _get_ssl_context(self) -> ssl.SSLContext:
        context: ssl.SSLContext = super()._get_ssl_context()  # type: ignore[misc]
        context.check_hostname = True
        return context
