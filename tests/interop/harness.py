"""The server under test and the interface that the tests expect of a client. Standard library only: this runs in the
Python environment of every client."""

import asyncio
import os
import re
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

HERE = Path(__file__).parent
REPO = HERE.parent.parent
NODE_PACKAGES = REPO / "target" / "interop" / "npm" / "node_modules"
SERVER = str(Path(os.environ.get("INTEROP_BINARY", REPO / "target" / "debug" / "scope3-mcp")).absolute())

# One event loop for the whole session: some clients serve several tests.
RUNNER = asyncio.Runner()

Json = dict[str, Any]


@dataclass
class Endpoint:
    """How to reach a server: start `command` for stdio, otherwise connect to `url`."""

    transport: str
    command: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    url: str = ""
    headers: dict[str, str] = field(default_factory=dict)


class RpcError(Exception):
    """A JSON-RPC error, as reported by the client."""

    def __init__(self, code: int, message: str):
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


class Client(Protocol):
    """The adapter of a client. Results are plain JSON, as received."""

    version: str
    """The negotiated protocol version."""
    server: Json
    """`serverInfo`."""
    instructions: str
    complaints: list[Any]
    """Messages that the client rejected."""

    async def list_tools(self, cursor: str | None) -> Json: ...

    async def call(self, name: str, arguments: Json, on_progress: Callable[[Json], None] | None = None, seconds: float | None = None) -> Json: ...

    async def cancel(self, name: str, after: float) -> None:
        """Calls a tool and cancels the call `after` seconds later."""


def clean_env(**more: str) -> dict[str, str]:
    """An environment without the caller's settings. Its TMPDIR marks the processes of the test session."""
    return {"PATH": os.environ["PATH"], "TMPDIR": tempfile.gettempdir(), "RUST_LOG": "warn", "SCOPE3_CONFIRM": "off", **more}


@asynccontextmanager
async def server(transport: str, *flags: str, env: dict[str, str] | None = None) -> AsyncIterator[Endpoint]:
    """A server with these flags, its own environment and its own home; by default with the tools of the Campaign API."""
    if "--api" not in flags:
        # As an argument, because some clients do not pass their environment on to the servers that they start.
        flags = ("--api", "campaign", *flags)
    with tempfile.TemporaryDirectory() as home:
        env = clean_env(HOME=home, **(env or {}))
        if transport == "stdio":
            yield Endpoint(transport, command=[SERVER, *flags, "stdio"], env=env)
            return
        path = {"http": "/mcp", "sse": "/sse"}[transport]
        process, base = await started([SERVER, *flags, "http", "--bind", "127.0.0.1:0"], env)
        try:
            yield Endpoint(transport, url=base + path)
        finally:
            await stopped(process)


async def started(command: list[str], env: dict[str, str]) -> tuple[asyncio.subprocess.Process, str]:
    """Starts a server and waits until it prints its address on stderr."""
    process = await asyncio.create_subprocess_exec(*command, env=env, stderr=asyncio.subprocess.PIPE)
    while line := (await process.stderr.readline()).decode():
        print(line, end="", file=sys.stderr)
        if found := re.search(r"listening on (http://[\d.:]+)", line):
            process.reader = asyncio.create_task(_pass_on(process.stderr))
            return process, found[1]
    raise RuntimeError(f"{command} exited before it listened")


async def _pass_on(stream: asyncio.StreamReader) -> None:
    while line := await stream.readline():
        sys.stderr.write(line.decode())


async def stopped(process: asyncio.subprocess.Process) -> None:
    """Stops a server as an operator does; it must exit with 0 in time."""
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    try:
        code = await asyncio.wait_for(process.wait(), 10)
    except TimeoutError:
        process.kill()
        raise AssertionError("the server did not exit within 10 s of SIGTERM") from None
    await process.reader
    assert code == 0, f"the server exited with {code}"
