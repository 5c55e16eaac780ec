"""The Python package `mcp` 1.x as a client."""

import asyncio
from contextlib import asynccontextmanager

import mcp
import mcp.types
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from cases import *  # noqa: F403: the tests
from consent import *  # noqa: F403: the tests
from harness import RpcError

VERSIONS = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]
SPEAKS = {"stdio": VERSIONS, "sse": VERSIONS, "http": VERSIONS}
ASKS = {transport: ["2025-06-18", "2025-11-25"] for transport in SPEAKS}


class Mcp1:
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
            return mcp.types.ElicitResult(action="cancel")
        return mcp.types.ElicitResult(action=self.answer, content={} if self.answer == "accept" else None)

    async def start(self, session, version):
        self.session = session
        # The package requests its newest version and accepts the server's choice.
        mcp.types.LATEST_PROTOCOL_VERSION = version
        initialized = await session.initialize()
        self.version = initialized.protocolVersion
        self.server = to_json(initialized.serverInfo)
        self.instructions = initialized.instructions or ""
        assert self.version == version, f"asked for {version}, got {self.version}"

    async def list_tools(self, cursor):
        params = mcp.types.PaginatedRequestParams(cursor=cursor)
        return to_json(await with_rpc_errors(self.session.list_tools(params=params)))

    async def call(self, name, arguments, on_progress=None, seconds=None):
        async def report(progress, total, message):
            on_progress({"progress": progress, "total": total, "message": message})

        call = self.session.call_tool(name, arguments, progress_callback=on_progress and report)
        async with asyncio.timeout(seconds):
            return to_json(await with_rpc_errors(call))

    async def cancel(self, name, after):
        # The package leaves it to its user to notify the server, with the id that the next request will get.
        id = self.session._request_id
        call = asyncio.create_task(self.session.call_tool(name, {}))
        await asyncio.sleep(after)
        cancelled = mcp.types.CancelledNotificationParams(requestId=id, reason="interop")
        await self.session.send_notification(
            mcp.types.ClientNotification(mcp.types.CancelledNotification(params=cancelled))
        )
        call.cancel()


def to_json(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


async def with_rpc_errors(work):
    try:
        return await work
    except mcp.McpError as error:
        raise RpcError(error.error.code, error.error.message) from error


@asynccontextmanager
async def streamable_http(at):
    async with create_mcp_http_client(headers=at.headers) as http:
        async with streamable_http_client(at.url, http_client=http) as streams:
            yield streams


def transport_to(at):
    if at.transport == "stdio":
        program, *args = at.command
        return stdio_client(mcp.StdioServerParameters(command=program, args=args, env=at.env))
    if at.transport == "sse":
        return sse_client(at.url, headers=at.headers)
    return streamable_http(at)


@asynccontextmanager
async def connect(at, version, answer=None):
    client = Mcp1(answer)
    async with transport_to(at) as (read, write, *_):
        asks = client.on_question if answer else None
        async with mcp.ClientSession(
            read, write, message_handler=client.on_message, elicitation_callback=asks
        ) as session:
            await client.start(session, version)
            yield client
