"""The npm package @modelcontextprotocol/sdk 1.x as a client, driven through npm_sdk.mjs: the newest, and one that is as
old as those that many programs still have in them."""

import asyncio
import itertools
import json
import sys
from asyncio.subprocess import PIPE
from contextlib import asynccontextmanager
from dataclasses import asdict

import cases  # noqa: F401: registers the cases
from harness import HERE, INSTALLED, RpcError, by_hand, clean_env, run_cases, server

VERSIONS = {
    "@modelcontextprotocol/sdk": ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"],
    "sdk-1.20": ["2024-11-05", "2025-03-26", "2025-06-18"],
}
NODE_PACKAGES = INSTALLED / "npm" / "node_modules"


class Driver:
    """The process of npm_sdk.mjs. One serves all cases, since starting Node takes longer than most of them."""

    def __init__(self, process):
        self.process = process
        self.numbers = itertools.count(1)
        self.waiting = {}
        self.clients = {}
        self.reading = asyncio.create_task(self.read())

    async def read(self):
        while line := await self.process.stdout.readline():
            message = json.loads(line)
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
        self.complaints = []

    async def ask(self, operation, on_progress=None, **parameters):
        return await self.driver.ask(operation, on_progress, client=self.number, **parameters)

    async def start(self, endpoint, version):
        hello = await self.ask("connect", endpoint=asdict(endpoint), version=version)
        self.server, self.instructions, self.version = hello["server"], hello["instructions"], hello["version"]
        assert self.version == version, f"asked for {version}, got {self.version}"

    async def list_tools(self, cursor):
        return await self.ask("list", cursor=cursor)

    async def call(self, name, arguments, on_progress=None):
        return await self.ask("call", on_progress, name=name, arguments=arguments)

    async def cancel(self, name, after):
        try:
            await self.ask("call", name=name, arguments={}, abortAfter=after * 1000)
        except RpcError:
            return
        raise AssertionError("the call was answered")


@by_hand("http")
async def leaves_a_client_alone_after_an_error(transport, connect):
    async with server(transport, "--sandbox") as at, connect(at) as client:
        try:
            await client.call("no_such_tool", {})
        except RpcError:
            pass
        # The package takes a stream that ended without a result for broken off, if its events had ids, and asks for
        # the rest of it after 3 s.
        await asyncio.sleep(3.5)
        assert not client.complaints, client.complaints


def connects_with(driver):
    @asynccontextmanager
    async def connect(endpoint, version):
        client = NpmSdk(driver)
        await client.start(endpoint, version)
        try:
            yield client
        finally:
            async with asyncio.timeout(5):
                await client.ask("close")

    return connect


async def main(sdk):
    command = [NODE_PACKAGES / ".bin" / "node", HERE / "npm_sdk.mjs", NODE_PACKAGES, sdk]
    # A page of tools is one line, far longer than the stream's own limit.
    process = await asyncio.create_subprocess_exec(*command, env=clean_env(), stdin=PIPE, stdout=PIPE, limit=2**24)
    good = await run_cases(connects_with(Driver(process)), VERSIONS[sdk])
    process.stdin.close()
    return await process.wait() == 0 and good


if __name__ == "__main__":
    sys.exit(not asyncio.run(main(sys.argv[1])))
