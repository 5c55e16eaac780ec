"""The Python package `mcp` 2.x as a client."""

import asyncio
import sys
from contextlib import asynccontextmanager

import mcp.client.session
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp_types import DiscoverResult

import cases  # noqa: F401: registers the cases
from harness import RpcError, run_cases

HANDSHAKE = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]
# `auto` asks the server which versions it has; a pinned version is used without asking.
VERSIONS = [*HANDSHAKE, "auto", "2026-07-28"]


class Mcp2:
    def __init__(self):
        self.complaints = []

    async def hear(self, message):
        if isinstance(message, Exception):
            self.complaints.append(message)

    async def start(self, client, version):
        self.client = client
        if client.server_info is None:  # Nobody has asked.
            said = await client.session.send_discover(version)
            client.session.adopt(DiscoverResult.model_validate(said))
        self.version = client.protocol_version
        self.server = plain(client.server_info)
        self.instructions = client.instructions or ""
        expected = "2026-07-28" if version == "auto" else version
        assert self.version == expected, f"asked for {version}, got {self.version}"

    async def list_tools(self, cursor):
        return plain(await answered(self.client.list_tools(cursor=cursor, cache_mode="refresh")))

    async def call(self, name, arguments, on_progress=None):
        async def hear(progress, total, message):
            on_progress({"progress": progress, "total": total, "message": message})

        return plain(await answered(self.client.call_tool(name, arguments, progress_callback=on_progress and hear)))

    async def cancel(self, name, after):
        call = asyncio.create_task(self.client.call_tool(name, {}))
        await asyncio.sleep(after)
        call.cancel()


def plain(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


async def answered(work):
    try:
        return await work
    except MCPError as error:
        raise RpcError(error.code, error.message) from error


@asynccontextmanager
async def streamable_http(at):
    async with create_mcp_http_client(headers=at.headers) as http:
        async with streamable_http_client(at.url, http_client=http) as streams:
            yield streams


def transport_to(at):
    if at.transport == "stdio":
        program, *args = at.command
        return stdio_client(StdioServerParameters(command=program, args=args, env=at.env))
    if at.transport == "sse":
        return sse_client(at.url, headers=at.headers)
    return streamable_http(at)


@asynccontextmanager
async def connect(at, version):
    mode = version
    if version in HANDSHAKE:
        # The package asks for its newest version, and takes what it is given.
        mcp.client.session.LATEST_HANDSHAKE_VERSION = version
        mode = "legacy"
    adapter = Mcp2()
    async with Client(transport_to(at), mode=mode, message_handler=adapter.hear) as client:
        await adapter.start(client, version)
        yield adapter


if __name__ == "__main__":
    # Legacy HTTP+SSE is older than 2026-07-28, which has no form for it.
    sys.exit(not asyncio.run(run_cases(connect, HANDSHAKE if sys.argv[-1] == "sse" else VERSIONS)))
