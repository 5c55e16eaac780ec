"""The npm package @modelcontextprotocol/inspector: its CLI and its strict lint of tool schemas."""

import asyncio
import json
from asyncio.subprocess import PIPE

import pytest
from cases import AUTHENTICATED, TOOLS_IN_ALL, check_tools, refusal_of, sandbox_keys, text_of
from harness import NODE_PACKAGES, clean_env, server

BIN = NODE_PACKAGES / ".bin"
# 2026-07-28, the modern era, has no HTTP+SSE.
SPEAKS = {"stdio": ["legacy", "modern"], "sse": ["legacy"], "http": ["legacy", "modern"]}


async def inspect(at, version, *arguments):
    """Runs the inspector; returns its exit code, stdout and stderr."""
    options = ["--cli", "--protocol-era", version, "--format", "json", *arguments]
    for header, value in at.headers.items():
        options += ["--header", f"{header}: {value}"]
    if at.transport == "stdio":
        options += ["--", *at.command]
    else:
        options += ["--transport", at.transport, "--server-url", at.url]
    # It stores its state in its home directory.
    env = clean_env(**at.env) | {"PATH": f"{BIN}:{at.env.get('PATH', '/usr/bin:/bin')}"}
    inspector = await asyncio.create_subprocess_exec(BIN / "mcp-inspector", *options, env=env, stdout=PIPE, stderr=PIPE)
    try:
        stdout, stderr = await inspector.communicate()
    finally:
        if inspector.returncode is None:
            inspector.kill()
    return inspector.returncode, stdout.decode(), stderr.decode()


async def test_accepts_every_schema(transport, version):
    async with server(transport, "--sandbox", "--toolsets", "all") as at:
        code, stdout, stderr = await inspect(at, version, "--method", "tools/list", "--strict")
        assert code == 0, stderr
        tools = json.loads(stdout)["result"]["tools"]
        assert len(tools) == TOOLS_IN_ALL, len(tools)
        check_tools(tools)
        # Warnings do not change the exit code.
        assert "Warning: tool" not in stderr, stderr


async def call(at, version, tool, arguments):
    options = ["--method", "tools/call", "--tool-name", tool, "--tool-args-json", json.dumps(arguments)]
    code, stdout, stderr = await inspect(at, version, *options)
    assert stdout, stderr
    return code, json.loads(stdout)["result"]


async def test_calls_tools(transport, version):
    async with server(transport, "--sandbox") as at:
        code, result = await call(at, version, "check_auth_status", {})
        assert code == 0 and text_of(result) == AUTHENTICATED, result
        code, result = await call(at, version, "brand_agent_list", {"wehre": {}})
        assert code == 5 and refusal_of(result)["code"] == "VALIDATION_ERROR", (code, result)


@pytest.mark.transports("sse", "http")
async def test_calls_with_a_key(transport, version):
    async with server(transport, "--sandbox", "--auth", "key") as at:
        at.headers = {"x-scope3-api-key": sandbox_keys()[0]}
        code, result = await call(at, version, "check_auth_status", {})
        assert code == 0 and text_of(result) == AUTHENTICATED, result
