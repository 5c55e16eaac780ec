"""npm's @modelcontextprotocol/inspector in CLI mode: its strict lint of tool schemas, and calls as a shell makes them."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE

from cases import AUTHENTICATED, TOOLS_IN_ALL, check_tools, refusal_of, sandbox_keys, text_of
from harness import INSTALLED, clean_env, reported, server

BIN = INSTALLED / "npm" / "node_modules" / ".bin"


async def inspect(at, era, *arguments):
    """Runs the inspector, and returns its exit code, what it printed, and what it printed on stderr."""
    options = ["--cli", "--protocol-era", era, "--format", "json", *arguments]
    for header, value in at.headers.items():
        options += ["--header", f"{header}: {value}"]
    if at.transport == "stdio":
        options += ["--", *at.command]
    else:
        options += ["--transport", at.transport, "--server-url", at.url]
    # It keeps what it learns below its home, and offers to log in where a server wants that.
    env = clean_env(**at.env) | {"PATH": f"{BIN}:{at.env.get('PATH', '/usr/bin:/bin')}"}
    inspector = await asyncio.create_subprocess_exec(BIN / "mcp-inspector", *options, env=env, stdout=PIPE, stderr=PIPE)
    try:
        printed, said = await inspector.communicate()
    finally:
        if inspector.returncode is None:
            inspector.kill()
    return inspector.returncode, printed.decode(), said.decode()


async def lints_every_schema(transport, era):
    async with server(transport, "--sandbox", "--toolsets", "all") as at:
        code, printed, said = await inspect(at, era, "--method", "tools/list", "--strict")
        assert code == 0, said
        tools = json.loads(printed)["result"]["tools"]
        assert len(tools) == TOOLS_IN_ALL, len(tools)
        check_tools(tools)
        # The exit code tells of errors alone.
        assert "Warning: tool" not in said, said


async def calls(at, era, tool, arguments):
    options = ["--method", "tools/call", "--tool-name", tool, "--tool-args-json", json.dumps(arguments)]
    code, printed, said = await inspect(at, era, *options)
    assert printed, said
    return code, json.loads(printed)["result"]


async def calls_tools(transport, era):
    async with server(transport, "--sandbox") as at:
        code, result = await calls(at, era, "check_auth_status", {})
        assert code == 0 and text_of(result) == AUTHENTICATED, result
        code, result = await calls(at, era, "brand_agent_list", {"wehre": {}})
        assert code == 5 and refusal_of(result)["code"] == "VALIDATION_ERROR", (code, result)


async def calls_with_a_key(transport, era):
    async with server(transport, "--sandbox", "--auth", "key") as at:
        at.headers = {"x-scope3-api-key": sandbox_keys()[0]}
        code, result = await calls(at, era, "check_auth_status", {})
        assert code == 0 and text_of(result) == AUTHENTICATED, result


async def main(transport):
    runs = [lints_every_schema, calls_tools] + ([calls_with_a_key] if transport != "stdio" else [])
    # Legacy HTTP+SSE is older than the modern era.
    eras = ["legacy"] if transport == "sse" else ["legacy", "modern"]
    named = [(f"{era}: {run.__name__.replace('_', ' ')}", run(transport, era)) for era in eras for run in runs]
    return all([await reported(name, work) for name, work in named])


if __name__ == "__main__":
    sys.exit(not asyncio.run(main(sys.argv[1])))
