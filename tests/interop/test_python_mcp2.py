"""The Python package `mcp` 2.x as a client."""

import asyncio
from contextlib import asynccontextmanager

import mcp.client.session
import mcp_types
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp_types import DiscoverResult

from cases import *  # noqa: F403: the tests
from consent import *  # noqa: F403: the tests
from harness import RpcError

HANDSHAKE = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]
# `auto` asks the server for its versions; a pinned version is used without asking.
VERSIONS = [*HANDSHAKE, "auto", "2026-07-28"]
# 2026-07-28 has no HTTP+SSE.
SPEAKS = {"stdio": VERSIONS, "sse": HANDSHAKE, "http": VERSIONS}
ASKS = {transport: [version for version in SPEAKS[transport] if version > "2025-06"] for transport in SPEAKS}


class Mcp2:
    def __init__(self, answer):
        self.complaints = []
        self.answer, self.questions, self.give_up = answer, [], asyncio.Event()

    async def on_message(self, message):
        if isinstance(message, Exception):
            self.complaints.append(message)

    async def on_question(self, context, params):
        self.questions.append(params.message)
        if self.answer == "never":
            await self.give_up.wait()
            return mcp_types.ElicitResult(action="cancel")
        return mcp_types.ElicitResult(action=self.answer, content={} if self.answer == "accept" else None)

    async def start(self, client, version):
        self.client = client
        if client.server_info is None:  # A pinned version skips discovery.
            discovered = await client.session.send_discover(version)
            client.session.adopt(DiscoverResult.model_validate(discovered))
        self.version = client.protocol_version
        self.server = to_json(client.server_info)
        self.instructions = client.instructions or ""
        expected = "2026-07-28" if version == "auto" else version
        assert self.version == expected, f"asked for {version}, got {self.version}"

    async def list_tools(self, cursor):
        return to_json(await with_rpc_errors(self.client.list_tools(cursor=cursor, cache_mode="refresh")))

    async def call(self, name, arguments, on_progress=None, seconds=None):
        async def report(progress, total, message):
            on_progress({"progress": progress, "total": total, "message": message})

        call = self.client.call_tool(name, arguments, progress_callback=on_progress and report)
        async with asyncio.timeout(seconds):
            return to_json(await with_rpc_errors(call))

    async def cancel(self, name, after):
        call = asyncio.create_task(self.client.call_tool(name, {}))
        await asyncio.sleep(after)
        call.cancel()


def to_json(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


async def with_rpc_errors(work):
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
async def connect(at, version, answer=None):
    mode = version
    if version in HANDSHAKE:
        # The package requests its newest version and accepts the server's choice.
        mcp.client.session.LATEST_HANDSHAKE_VERSION = version
        mode = "legacy"
    adapter = Mcp2(answer)
    asks = adapter.on_question if answer else None
    transport = transport_to(at)
    async with Client(
        transport, mode=mode, message_handler=adapter.on_message, elicitation_callback=asks
    ) as client:
        await adapter.start(client, version)
        yield adapter
