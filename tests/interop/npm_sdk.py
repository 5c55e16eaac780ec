"""The npm package @modelcontextprotocol/sdk 1.x as a client, driven through npm_sdk.mjs."""

import asyncio
import itertools
import json
import sys
from asyncio.subprocess import PIPE
from contextlib import asynccontextmanager
from dataclasses import asdict

import cases  # noqa: F401: registers the cases
from harness import HERE, INSTALLED, RpcError, by_hand, clean_env, run_cases, server

VERSIONS = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]
NODE_PACKAGES = INSTALLED / "npm" / "node_modules"


class NpmSdk:
    def __init__(self, process):
        self.process = process
        self.ids = itertools.count(1)
        self.waiting = {}
        self.complaints = []

    async def read(self):
        while line := await self.process.stdout.readline():
            message = json.loads(line)
            if "complaint" in message:
                self.complaints.append(message["complaint"])
                continue
            answer, on_progress = self.waiting[message["id"]]
            if "progress" in message:
                if on_progress:
                    on_progress(message["progress"])
            elif not answer.done():
                answer.set_result(message)

    async def ask(self, operation, on_progress=None, **parameters):
        id = next(self.ids)
        answer = asyncio.get_running_loop().create_future()
        self.waiting[id] = answer, on_progress
        request = {"id": id, "operation": operation, **parameters}
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        message = await answer
        if "error" in message:
            raise RpcError(**message["error"])
        return message["result"]

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


@asynccontextmanager
async def connect(endpoint, version):
    command = [NODE_PACKAGES / ".bin" / "node", HERE / "npm_sdk.mjs", NODE_PACKAGES]
    # A page of tools is one line, far longer than the stream's own limit.
    driver = await asyncio.create_subprocess_exec(*command, env=clean_env(), stdin=PIPE, stdout=PIPE, limit=2**24)
    client = NpmSdk(driver)
    reading = asyncio.create_task(client.read())
    try:
        await client.start(endpoint, version)
        yield client
        await client.ask("close")
    finally:
        driver.stdin.close()
        try:
            await asyncio.wait_for(driver.wait(), 5)
        finally:
            if driver.returncode is None:
                driver.kill()
            reading.cancel()


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


if __name__ == "__main__":
    sys.exit(not asyncio.run(run_cases(connect, VERSIONS)))
