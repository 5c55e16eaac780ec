"""The server under test, what a client has to offer, and the cases. Standard library only: every suite imports this,
each in the Python environment of its client."""

import asyncio
import os
import re
import signal
import sys
import tempfile
import textwrap
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

HERE = Path(__file__).parent
INSTALLED = HERE.parent.parent / "target" / "interop"
SERVER = os.environ["INTEROP_BINARY"]
CASE_SECONDS = 20

Json = dict[str, Any]


@dataclass
class Endpoint:
    """How to reach a server: over stdio by starting `command`, else at `url`."""

    transport: str
    command: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    url: str = ""
    headers: dict[str, str] = field(default_factory=dict)


class RpcError(Exception):
    """A JSON-RPC error, as the client understood it."""

    def __init__(self, code: int, message: str):
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


class Client(Protocol):
    """What a suite makes of its foreign client. Results are plain JSON, as they came over the wire."""

    version: str
    """The protocol version agreed on."""
    server: Json
    """`serverInfo`."""
    instructions: str
    complaints: list[Any]
    """Messages that the client could not make sense of."""

    async def list_tools(self, cursor: str | None) -> Json: ...

    async def call(self, name: str, arguments: Json, on_progress: Callable[[Json], None] | None = None) -> Json: ...

    async def cancel(self, name: str, after: float) -> None:
        """Calls a tool and takes the call back `after` seconds later."""


Connect = Callable[..., AbstractAsyncContextManager[Client]]
"""Connects to an `Endpoint`, asking for a `version` of the protocol."""


def clean_env(**more: str) -> dict[str, str]:
    """An environment without the settings of whoever runs the suite. By its TMPDIR the runner knows its processes."""
    return {"PATH": os.environ["PATH"], "TMPDIR": tempfile.gettempdir(), "RUST_LOG": "warn", **more}


@asynccontextmanager
async def server(transport: str, *flags: str, env: dict[str, str] | None = None) -> AsyncIterator[Endpoint]:
    """A server with these flags, in an environment and a home of its own."""
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
            await ended(process)


async def started(command: list[str], env: dict[str, str]) -> tuple[asyncio.subprocess.Process, str]:
    """Starts a server that listens, and waits for the address that it prints on stderr."""
    process = await asyncio.create_subprocess_exec(*command, env=env, stderr=asyncio.subprocess.PIPE)
    while line := (await process.stderr.readline()).decode():
        print(line, end="", file=sys.stderr)
        if found := re.search(r"listening on (http://[\d.:]+)", line):
            process.reader = asyncio.create_task(_pass_on(process.stderr))
            return process, found[1]
    raise RuntimeError(f"{command} ended before it listened")


async def _pass_on(stream: asyncio.StreamReader) -> None:
    while line := await stream.readline():
        sys.stderr.write(line.decode())


async def ended(process: asyncio.subprocess.Process) -> None:
    """Ends a server as an operator does, and holds it to ending well."""
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    try:
        code = await asyncio.wait_for(process.wait(), 10)
    except TimeoutError:
        process.kill()
        raise AssertionError("the server did not end within 10 s of SIGTERM") from None
    await process.reader
    assert code == 0, f"the server ended with {code}"


@dataclass
class Case:
    run: Callable[[str, Connect], Awaitable[None]]
    name: str
    transports: tuple[str, ...]


CASES: list[Case] = []


def case(*flags: str):
    """Registers a case: a function of a client, connected to a server with these flags."""

    def register(check):
        async def run(transport, connect):
            async with server(transport, *flags) as endpoint, connect(endpoint) as client:
                await check(client)
                assert not client.complaints, f"the client complained: {client.complaints}"

        return by_hand("stdio", "sse", "http", name=check.__name__)(run)

    return register


def by_hand(*transports: str, name: str = ""):
    """Registers a case that starts its servers itself: a function of a transport and of what connects to an endpoint."""

    def register(run):
        CASES.append(Case(run, (name or run.__name__).replace("_", " "), transports))
        return run

    return register


async def run_cases(connect: Connect, versions: list[str]) -> bool:
    """Runs every case over the transport that the command line ends with, in every protocol version, each on a fresh
    server."""
    transport = sys.argv[-1]
    good = True
    for version in versions:
        for each in CASES:
            if transport in each.transports:
                work = each.run(transport, partial(connect, version=version))
                good &= await reported(f"{version}: {each.name}", work)
    return good


async def reported(name: str, work) -> bool:
    """Does a piece of work within its time, and prints the line that tests/interop/run reads."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(CASE_SECONDS):
            await work
    except Exception as error:
        while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
            [error] = error.exceptions
        print(f"not ok {name}\n{_indented(traceback.format_exception(error))}", flush=True)
        return False
    print(f"ok {name} ({time.monotonic() - began:.2f} s)", flush=True)
    return True


def _indented(parts: list[str]) -> str:
    return textwrap.indent("".join(parts), "    ")
