"""What every client must observe of scope3-mcp, in every transport and protocol version that it supports.

The module of a client imports these tests; `conftest.py` supplies their fixtures."""

import asyncio
import json
import subprocess
from dataclasses import replace
from subprocess import DEVNULL, PIPE

import pytest
from harness import SERVER, Client, Endpoint, Json, RpcError, clean_env, server

SANDBOX = "This is the sandbox: its data is invented, and nothing is spent."
AUTHENTICATED = f"✅ Authenticated as dana@acme-outdoor.example (Customer ID: 12345). {SANDBOX}"
OTHER_CUSTOMER = f"✅ Authenticated as quinn@quill-books.example (Customer ID: 67890). {SANDBOX}"
TOOLS_IN_ALL = 68
TOOLS_BY_API = {"buyer": 214, "storefront": 270, "measurement": 12, "buyer,storefront,measurement,campaign": 513}
TOOLS_BY_DEFAULT = 31
HINTS = {"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"}
META = {"scope3-mcp/effect", "scope3-mcp/toolset", "scope3-mcp/surface"}
EFFECTS = {"read", "write", "spend", "delete"}


def text_of(result: Json) -> str:
    """The text of a result that has one content block."""
    [content] = result["content"]
    assert content["type"] == "text", content
    return content["text"]


def data_of(result: Json) -> Json:
    """The data of a successful result; its text must hold the same."""
    assert not result.get("isError"), result
    assert json.loads(text_of(result)) == result["structuredContent"], result
    return result["structuredContent"]


def refusal_of(result: Json) -> Json:
    """The body of a rejected call; its text and data must be the same."""
    assert result["isError"] is True, result
    assert json.loads(text_of(result)) == result["structuredContent"], result
    refusal = result["structuredContent"]
    assert refusal["changed"] == "no" and refusal["hint"] and isinstance(refusal["retryable"], bool), refusal
    return refusal


def check_tools(tools: list[Json]) -> None:
    names = [tool["name"] for tool in tools]
    assert len(set(names)) == len(names), names
    # Clients and test suites try a server by calling its first tool without arguments.
    assert names[0] == "check_auth_status", names
    for tool in tools:
        assert tool["title"] and tool["description"] and tool["inputSchema"]["type"] == "object", tool
        hints = tool["annotations"]
        assert HINTS <= hints.keys() and all(isinstance(hints[hint], bool) for hint in HINTS), tool
        assert META <= tool["_meta"].keys() and tool["_meta"]["scope3-mcp/effect"] in EFFECTS, tool
        # A tool that reads may write with one of its arguments, and then it is not read-only.
        assert tool["_meta"]["scope3-mcp/effect"] == "read" or not hints["readOnlyHint"], tool


async def test_reports_its_name_and_version(connected):
    async with connected("--sandbox") as client:
        command = [SERVER, "--version"]
        version = subprocess.run(command, env=clean_env(), capture_output=True, text=True, check=True).stdout
        assert f"{client.server['name']} {client.server['version']}" == version.strip(), client.server
        assert 0 < len(client.instructions) <= 2000, client.instructions


async def test_lists_the_default_tools_on_one_page(connected):
    async with connected("--sandbox") as client:
        page = await client.list_tools(None)
        assert not page.get("nextCursor"), page.get("nextCursor")
        check_tools(page["tools"])
        assert page == await client.list_tools(None)


async def test_lists_the_tools_of_every_api(connected):
    for apis, count in TOOLS_BY_API.items():
        async with connected("--sandbox", "--api", apis, "--toolsets", "all") as client:
            page = await client.list_tools(None)
            assert not page.get("nextCursor"), page.get("nextCursor")
            assert len(page["tools"]) == count, (apis, len(page["tools"]))
            if "buyer" in apis or "storefront" in apis:
                check_tools(page["tools"])


async def test_finds_and_calls_a_tool_that_is_not_listed(connected):
    async with connected("--sandbox", "--discover=list") as client:
        listed = {tool["name"] for tool in (await client.list_tools(None))["tools"]}
        found = data_of(await client.call("find_tools", {"query": "show the tactics of a campaign"}))
        names = {tool["name"] for tool in found["tools"]}
        assert names and not names & listed, (names, listed)
        # Only a session has a list of its own.
        now = {tool["name"] for tool in (await client.list_tools(None))["tools"]}
        assert now in (listed, listed | names), now
        reads = {"name": "brand_agent_list", "arguments": {}}
        assert data_of(await client.call("call_read_tool", reads))["brandAgents"]


async def test_calls_a_tool_of_the_default_api(connected):
    async with connected("--sandbox", "--api", "buyer") as client:
        result = await client.call("list_advertisers", {})
        assert not result.get("isError") and result["structuredContent"]["scope3Mcp"]["sandbox"] is True, result


async def test_lists_all_tools_on_one_page(connected):
    async with connected("--sandbox", "--toolsets", "all") as client:
        page = await client.list_tools(None)
        assert not page.get("nextCursor"), page.get("nextCursor")
        assert len(page["tools"]) == TOOLS_IN_ALL, len(page["tools"])
        check_tools(page["tools"])
        default = [tool["name"] for tool in page["tools"][:TOOLS_BY_DEFAULT]]
        assert "check_auth_status" in default and "describe_tool" in default, default


async def test_rejects_an_unknown_cursor(connected):
    async with connected("--sandbox") as client:
        with pytest.raises(RpcError) as raised:
            await client.list_tools("page two, please")
        assert raised.value.code == -32602


async def test_reports_the_customer_of_the_key(connected):
    async with connected("--sandbox") as client:
        result = await client.call("check_auth_status", {})
        assert text_of(result) == AUTHENTICATED, result
        assert result["structuredContent"]["customerId"] == 12345, result
        assert result["structuredContent"]["scope3Mcp"]["sandbox"] is True, result


async def test_reads_back_what_it_wrote(connected):
    async with connected("--sandbox", "--toolsets", "all") as client:
        name = "Café “Zürich” \u2028 ✓ 漢字 🦉"
        created = await client.call("brand_agent_create", {"name": name, "advertiserDomains": ["cafe.example"]})
        id = data_of(created)["brandAgent"]["id"]
        read = data_of(await client.call("brand_agent_get", {"brandAgentId": id}))
        assert read["brandAgent"]["name"] == name, read
        data_of(await client.call("brand_agent_delete", {"brandAgentId": id}))
        listed = data_of(await client.call("brand_agent_list", {}))
        assert id not in {agent["id"] for agent in listed["brandAgents"]}, listed


async def test_matches_the_results_of_concurrent_calls(connected):
    async with connected("--sandbox", "--toolsets", "all") as client:
        agents = data_of(await client.call("brand_agent_list", {}))["brandAgents"]
        ids = [agent["id"] for agent in agents] * 8
        results = await asyncio.gather(*(client.call("brand_agent_get", {"brandAgentId": id}) for id in ids))
        assert [data_of(result)["brandAgent"]["id"] for result in results] == ids


async def test_rejects_an_unknown_argument(connected):
    async with connected("--sandbox") as client:
        refusal = refusal_of(await client.call("brand_agent_list", {"wehre": {}}))
        assert refusal["code"] == "VALIDATION_ERROR", refusal
        [problem] = refusal["details"]["problems"]
        assert problem["path"] == "wehre" and problem["didYouMean"] == "where", problem
        assert await used(client) == 0


async def test_rejects_an_unknown_tool(connected):
    async with connected("--sandbox") as client:
        with pytest.raises(RpcError, match="campaign_pause_everything") as raised:
            await client.call("campaign_pause_everything", {})
        assert raised.value.code == -32602


async def test_changes_nothing_in_read_only_mode(connected):
    async with connected("--sandbox", "--read-only") as client:
        listed = (await client.list_tools(None))["tools"]
        assert all(tool["annotations"]["readOnlyHint"] for tool in listed), listed
        refusal = refusal_of(await client.call("brand_agent_create", {"name": "Nobody"}))
        assert refusal["code"] == "TOOL_NOT_OFFERED", refusal


async def usage(client: Client) -> Json:
    limits = data_of(await client.call("get_usage", {}))["limits"]
    return next(limit for limit in limits if limit["class"] == "mcp")


async def used(client: Client) -> int:
    return (await usage(client))["used"]


async def test_counts_the_requests_of_the_hour(connected):
    async with connected("--sandbox") as client:
        assert await usage(client) == {"class": "mcp", "limit": "500/h", "used": 0, "left": 500}
        await client.call("check_auth_status", {})
        after = await usage(client)
        assert (after["used"], after["left"]) == (1, 499), after


async def test_says_at_the_limit_when_to_retry(connected):
    async with connected("--sandbox", "--mcp-limit", "2/h") as client:
        for _ in range(2):
            data_of(await client.call("brand_agent_list", {}))
        refusal = refusal_of(await client.call("brand_agent_list", {}))
        assert refusal["code"] == "RATE_LIMIT_EXCEEDED" and refusal["retryable"] is True, refusal
        assert 3500 < refusal["retryAfterSeconds"] <= 3600 and refusal["resetTime"].endswith("Z"), refusal
        assert (await usage(client))["left"] == 0


async def test_reports_the_progress_of_a_waiting_call(connected):
    async with connected("--sandbox", "--mcp-limit", "1/s", "--on-limit", "wait", "--max-wait", "5s") as client:
        await client.call("check_auth_status", {})
        notices: list[Json] = []
        result = await client.call("check_auth_status", {}, notices.append)
        assert text_of(result) == AUTHENTICATED, result
        assert notices, "no progress"
        waited = [notice["progress"] for notice in notices]
        assert waited == sorted(set(waited)), f"progress must increase: {waited}"
        assert all(notice["total"] > 0 and "limit" in notice["message"] for notice in notices), notices


async def test_drops_the_request_of_a_cancelled_call(transport, connect):
    dropped = asyncio.Event()

    async def never_answer(reader, writer):
        await reader.read()
        dropped.set()
        writer.close()

    upstream = await asyncio.start_server(never_answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{upstream.sockets[0].getsockname()[1]}"
    key = {"SCOPE3_API_KEY": sandbox_keys()[0]}
    async with upstream, server(transport, "--api-url", url, env=key) as at, connect(at) as client:
        await client.cancel("check_auth_status", after=0.3)
        await asyncio.wait_for(dropped.wait(), 3)
        # The client and the server keep working.
        assert await used(client) == 1
        assert not client.complaints, client.complaints


@pytest.mark.transports("sse", "http")
async def test_requires_the_token(transport, connect):
    token = {"SCOPE3_MCP_TOKEN": "a token for the interop tests"}
    async with server(transport, "--sandbox", "--auth", "token", env=token) as at:
        allowed = replace(at, headers={"Authorization": f"Bearer {token['SCOPE3_MCP_TOKEN']}"})
        async with connect(allowed) as client:
            assert text_of(await client.call("check_auth_status", {})) == AUTHENTICATED
        for rejected in (at, replace(at, headers={"Authorization": "Bearer another token"})):
            with pytest.raises(Exception):
                await list_tools(connect, rejected)


@pytest.mark.transports("sse", "http")
async def test_uses_the_key_of_each_request(transport, connect):
    one, other = sandbox_keys()
    async with server(transport, "--sandbox", "--auth", "key") as at:
        by_header = replace(at, headers={"x-scope3-api-key": one})
        by_bearer = replace(at, headers={"Authorization": f"Bearer {other}"})
        async with connect(by_header) as client, connect(by_bearer) as other_client:
            calls = [client.call("check_auth_status", {}), other_client.call("check_auth_status", {})]
            assert [text_of(result) for result in await asyncio.gather(*calls)] == [AUTHENTICATED, OTHER_CUSTOMER]
            data_of(await client.call("brand_agent_list", {}))
            assert (await used(client), await used(other_client)) == (2, 1)
        with pytest.raises(Exception):
            await list_tools(connect, at)


async def list_tools(connect, at: Endpoint) -> None:
    async with connect(at) as client:
        await client.list_tools(None)


def sandbox_keys() -> list[str]:
    """The keys of the sandbox's two customers, as `scope3-mcp sandbox` prints them."""
    command = [SERVER, "sandbox"]
    with subprocess.Popen(command, env=clean_env(), stdout=PIPE, stderr=DEVNULL, text=True) as sandbox:
        lines = [sandbox.stdout.readline().strip() for _ in range(3)]
        sandbox.terminate()
    return [line.removeprefix("SCOPE3_API_KEY=") for line in lines if "SCOPE3_API_KEY=" in line]


__all__ = [name for name in globals() if name.startswith("test_")]
