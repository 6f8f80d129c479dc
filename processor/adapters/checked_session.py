"""Sessions of aioboto3 with a check that aiobotocore leaves out and must not: of the host's name in TLS."""

import ssl
from typing import Any

import aioboto3
from aiobotocore.config import AioConfig
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import AioSession


def open_session(**options: Any) -> aioboto3.Session:
    """Return a session of aioboto3, with its options, whose clients check the host's name."""
    return aioboto3.Session(botocore_session=_CheckedSession(), **options)


class _CheckedSession(AioSession):
    """A session all of whose clients check the host's name, those that it makes to find credentials too."""

    async def _create_client(self, *arguments: Any, config: AioConfig | None = None, **options: Any) -> Any:
        config = config or AioConfig()
        # Here, because merging a configuration with the session's loses it.
        config.http_session_cls = CheckedHttpSession  # type: ignore[attr-defined]
        return await super()._create_client(*arguments, config=config, **options)  # type: ignore[misc]


class CheckedHttpSession(AIOHTTPSession):
    """An HTTP session that compares the host's name with the certificate's.

    aiobotocore 2.25 takes botocore's TLS context, in which that is switched off because urllib3 does it. But
    aiohttp, which aiobotocore uses, does not: any certificate of a public authority would be accepted.
    """

    def _get_ssl_context(self) -> ssl.SSLContext:
        context: ssl.SSLContext = super()._get_ssl_context()  # type: ignore[misc]
        context.check_hostname = True
        return context
