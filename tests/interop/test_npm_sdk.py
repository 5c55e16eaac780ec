"""The npm package @modelcontextprotocol/sdk 1.x as a client, driven through npm_sdk.mjs: the newest version, and an old
one that many programs still contain."""

import asyncio
import itertools
import json
from asyncio.subprocess import PIPE
from contextlib import asynccontextmanager
from dataclasses import asdict

import pytest
from cases import *  # noqa: F403: the tests
from consent import *  # noqa: F403: the tests
from harness import HERE, NODE_PACKAGES, RUNNER, RpcError, clean_env

NEWEST = "@modelcontextprotocol/sdk"
VERSIONS = {
    f"{name}-{version}": (package, version)
    for name, package, versions in (
        ("sdk-1.x", NEWEST, ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")),
        ("sdk-1.20", "sdk-1.20", ("2024-11-05", "2025-03-26", "2025-06-18")),
    )
    for version in versions
}
NEWEST_VERSIONS = [name for name, (package, _) in VERSIONS.items() if package == NEWEST]
# The old version differs in Streamable HTTP.
ASKING = [name for name in NEWEST_VERSIONS if VERSIONS[name][1] > "2025-06"]
ASKS = {"stdio": ASKING, "sse": ASKING, "http": ASKING}
SPEAKS = {"stdio": NEWEST_VERSIONS, "sse": NEWEST_VERSIONS, "http": [*VERSIONS]}


class Driver:
    """A process of npm_sdk.mjs. It serves all tests, since starting Node takes longer than most of them."""

    def __init__(self, process):
        self.process = process
        self.numbers = itertools.count(1)
        self.waiting = {}
        self.clients = {}
        self.reading = asyncio.create_task(self.read())

    async def read(self):
        while line := await self.process.stdout.readline():
            message = json.loads(line)
            if "question" in message:
                self.clients[message["client"]].questions.append(message["question"])
                continue
            if "complaint" in message:
                self.clients[message["client"]].complaints.append(message["complaint"])
                continue
            answer, on_progress = self.waiting[message["id"]]
            if "progress" not in message:
                answer.set_result(message)
            elif on_progress:
                on_progress(message["progress"])

    async def ask(self, operation, on_progress=None, **parameters):
        id = next(self.numbers)
        answer = asyncio.get_running_loop().create_future()
        self.waiting[id] = answer, on_progress
        request = {"id": id, "operation": operation, **parameters}
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        message = await asyncio.shield(answer)
        if "error" in message:
            raise RpcError(**message["error"])
        return message["result"]


class NpmSdk:
    def __init__(self, driver):
        self.driver = driver
        self.number = next(driver.numbers)
        driver.clients[self.number] = self
        self.complaints, self.questions, self.give_up = [], [], asyncio.Event()

    async def ask(self, operation, on_progress=None, **parameters):
        return await self.driver.ask(operation, on_progress, client=self.number, **parameters)

    async def start(self, endpoint, version, answer):
        connected = await self.ask("connect", endpoint=asdict(endpoint), version=version, answer=answer)
        self.server, self.instructions = connected["server"], connected["instructions"]
        self.version = connected["version"]
        assert self.version == version, f"asked for {version}, got {self.version}"

    async def list_tools(self, cursor):
        return await self.ask("list", cursor=cursor)

    async def call(self, name, arguments, on_progress=None, seconds=None):
        limit = {"abortAfter": seconds * 1000} if seconds else {}
        return await self.ask("call", on_progress, name=name, arguments=arguments, **limit)

    async def cancel(self, name, after):
        with pytest.raises(RpcError):
            await self.ask("call", name=name, arguments={}, abortAfter=after * 1000)


@pytest.mark.transports("http")
async def test_gives_clients_no_reason_to_resume_a_stream_after_an_error(connected):
    async with connected("--sandbox") as client:
        with pytest.raises(RpcError):
            await client.call("no_such_tool", {})
        # If the events of a stream had ids and the stream ended without a result, the package takes it for broken and
        # resumes it after 3 s.
        await asyncio.sleep(3.5)


DRIVERS = {}


@pytest.fixture(scope="module", autouse=True)
def drivers_exit_well():
    yield
    for driver in DRIVERS.values():
        driver.process.stdin.close()
        assert RUNNER.run(driver.process.wait()) == 0
    DRIVERS.clear()


@asynccontextmanager
async def connect(endpoint, version, answer=None):
    package, version = VERSIONS[version]
    if package not in DRIVERS:
        command = [NODE_PACKAGES / ".bin" / "node", HERE / "npm_sdk.mjs", NODE_PACKAGES, package]
        # A page of tools is one line, far longer than the default limit of a stream.
        process = await asyncio.create_subprocess_exec(*command, env=clean_env(), stdin=PIPE, stdout=PIPE, limit=2**24)
        DRIVERS[package] = Driver(process)
    client = NpmSdk(DRIVERS[package])
    await client.start(endpoint, version, answer)
    try:
        yield client
    finally:
        async with asyncio.timeout(5):
            await client.ask("close")
