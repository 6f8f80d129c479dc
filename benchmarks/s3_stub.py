"""A stub of S3 and of the secret: PUT with If-None-Match, GetSecretValue, nothing else.

    python -m benchmarks.s3_stub < pipe

Reads the secret's value from the first line of its input, then prints the port that it listens on. `GET /`
counts the objects and their bytes, which are not kept.
"""

import asyncio
import json
import sys

from aiohttp import web

from benchmarks.children import end_with_parent
from local.servers.loopback import HOST

_MOST_BYTES = 64 * 1024 * 1024


def application(secret: str) -> web.Application:
    """Return the stub with empty buckets."""
    sizes: dict[str, int] = {}

    async def put(request: web.Request) -> web.Response:
        body = await request.read()
        if request.headers.get("If-None-Match") == "*" and request.path in sizes:
            text = "<Error><Code>PreconditionFailed</Code><Message>It exists.</Message></Error>"
            return web.Response(status=412, text=text, content_type="application/xml")
        sizes[request.path] = len(body)
        checksum = "x-amz-checksum-sha256"
        echoed = {checksum: request.headers[checksum]} if checksum in request.headers else {}
        return web.Response(headers={"ETag": '"0"', **echoed})

    async def count(_: web.Request) -> web.Response:
        return web.json_response({"objects": len(sizes), "bytes": sum(sizes.values())})

    async def get_secret_value(request: web.Request) -> web.Response:
        name = json.loads(await request.read())["SecretId"]
        return web.json_response({"ARN": name, "Name": name, "SecretString": secret})

    app = web.Application(client_max_size=_MOST_BYTES)
    app.router.add_get("/", count)
    app.router.add_post("/", get_secret_value)
    app.router.add_put("/{bucket}/{key:.+}", put)
    return app


async def _serve(secret: str) -> None:
    runner = web.AppRunner(application(secret), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    first_line = sys.stdin.readline()
    end_with_parent()
    asyncio.run(_serve(json.loads(first_line)))
