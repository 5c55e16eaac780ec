"""What every client has to see of scope3-mcp, whatever it is written in and whichever transport it uses."""

import asyncio
import json
import subprocess
from dataclasses import replace
from subprocess import DEVNULL, PIPE

from harness import SERVER, Client, Endpoint, Json, RpcError, by_hand, case, clean_env, server

SANDBOX = "This is the sandbox: its data is invented, and nothing is spent."
AUTHENTICATED = f"✅ Authenticated as dana@acme-outdoor.example (Customer ID: 12345). {SANDBOX}"
OTHER_CUSTOMER = f"✅ Authenticated as quinn@quill-books.example (Customer ID: 67890). {SANDBOX}"
TOOLS_IN_ALL = 67
TOOLS_BY_DEFAULT = 30
HINTS = {"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"}
META = {"scope3-mcp/effect", "scope3-mcp/toolset", "scope3-mcp/surface"}
EFFECTS = {"read", "write", "spend", "delete"}


def text_of(result: Json) -> str:
    """The only content of a result, which is text."""
    [content] = result["content"]
    assert content["type"] == "text", content
    return content["text"]


def data_of(result: Json) -> Json:
    """The data of a good result, which its text holds too."""
    assert not result.get("isError"), result
    assert json.loads(text_of(result)) == result["structuredContent"], result
    return result["structuredContent"]


def refusal_of(result: Json) -> Json:
    """The body of a refused call, in text and data alike."""
    assert result["isError"] is True, result
    assert json.loads(text_of(result)) == result["structuredContent"], result
    refusal = result["structuredContent"]
    assert refusal["changed"] == "no" and refusal["hint"] and isinstance(refusal["retryable"], bool), refusal
    return refusal


def check_tools(tools: list[Json]) -> None:
    names = [tool["name"] for tool in tools]
    assert len(set(names)) == len(names), names
    # Clients and test suites that try a server call the first tool without arguments.
    assert names[0] == "check_auth_status", names
    for tool in tools:
        assert tool["title"] and tool["description"] and tool["inputSchema"]["type"] == "object", tool
        hints = tool["annotations"]
        assert HINTS <= hints.keys() and all(isinstance(hints[hint], bool) for hint in HINTS), tool
        assert META <= tool["_meta"].keys() and tool["_meta"]["scope3-mcp/effect"] in EFFECTS, tool
        assert hints["readOnlyHint"] == (tool["_meta"]["scope3-mcp/effect"] == "read"), tool


@case("--sandbox")
async def says_who_it_is(client: Client):
    version = subprocess.run([SERVER, "--version"], env=clean_env(), capture_output=True, text=True, check=True).stdout
    assert f"{client.server['name']} {client.server['version']}" == version.strip(), client.server
    assert 0 < len(client.instructions) <= 2000, client.instructions


@case("--sandbox")
async def lists_the_default_tools_on_one_page(client: Client):
    page = await client.list_tools(None)
    assert not page.get("nextCursor"), page.get("nextCursor")
    check_tools(page["tools"])
    assert page == await client.list_tools(None)


@case("--sandbox", "--toolsets", "all")
async def lists_all_tools_on_one_page(client: Client):
    page = await client.list_tools(None)
    assert not page.get("nextCursor"), page.get("nextCursor")
    assert len(page["tools"]) == TOOLS_IN_ALL, len(page["tools"])
    check_tools(page["tools"])
    default = [tool["name"] for tool in page["tools"][:TOOLS_BY_DEFAULT]]
    assert "check_auth_status" in default and "describe_tool" in default, default


@case("--sandbox")
async def refuses_a_cursor_that_it_did_not_give(client: Client):
    try:
        await client.list_tools("page two, please")
    except RpcError as error:
        assert error.code == -32602, error
    else:
        raise AssertionError("it was taken")


@case("--sandbox")
async def says_whose_key_it_is(client: Client):
    result = await client.call("check_auth_status", {})
    assert text_of(result) == AUTHENTICATED, result
    assert result["structuredContent"]["customerId"] == 12345, result
    assert result["structuredContent"]["scope3Mcp"]["sandbox"] is True, result


@case("--sandbox", "--toolsets", "all")
async def reads_back_what_it_wrote(client: Client):
    name = "Café “Zürich” \u2028 ✓ 漢字 🦉"
    created = await client.call("brand_agent_create", {"name": name, "advertiserDomains": ["cafe.example"]})
    id = data_of(created)["brandAgent"]["id"]
    read = data_of(await client.call("brand_agent_get", {"brandAgentId": id}))
    assert read["brandAgent"]["name"] == name, read
    data_of(await client.call("brand_agent_delete", {"brandAgentId": id}))
    listed = data_of(await client.call("brand_agent_list", {}))
    assert id not in {agent["id"] for agent in listed["brandAgents"]}, listed


@case("--sandbox", "--toolsets", "all")
async def keeps_the_answers_of_concurrent_calls_apart(client: Client):
    agents = data_of(await client.call("brand_agent_list", {}))["brandAgents"]
    ids = [agent["id"] for agent in agents] * 8
    results = await asyncio.gather(*(client.call("brand_agent_get", {"brandAgentId": id}) for id in ids))
    assert [data_of(result)["brandAgent"]["id"] for result in results] == ids


@case("--sandbox")
async def refuses_an_argument_that_it_does_not_know(client: Client):
    refusal = refusal_of(await client.call("brand_agent_list", {"wehre": {}}))
    assert refusal["code"] == "VALIDATION_ERROR", refusal
    [problem] = refusal["details"]["problems"]
    assert problem["path"] == "wehre" and problem["didYouMean"] == "where", problem
    assert await used(client) == 0


@case("--sandbox")
async def has_no_tool_of_another_name(client: Client):
    try:
        result = await client.call("campaign_pause_everything", {})
    except RpcError as error:
        assert error.code == -32602 and "campaign_pause_everything" in error.message, error
    else:
        raise AssertionError(f"it answered {result}")


@case("--sandbox", "--read-only")
async def does_not_write_when_it_may_only_read(client: Client):
    listed = (await client.list_tools(None))["tools"]
    assert all(tool["annotations"]["readOnlyHint"] for tool in listed), listed
    refusal = refusal_of(await client.call("brand_agent_create", {"name": "Nobody"}))
    assert refusal["code"] == "TOOL_NOT_OFFERED", refusal


async def usage(client: Client) -> Json:
    limits = data_of(await client.call("get_usage", {}))["limits"]
    return next(limit for limit in limits if limit["class"] == "mcp")


async def used(client: Client) -> int:
    return (await usage(client))["used"]


@case("--sandbox")
async def counts_the_requests_of_the_hour(client: Client):
    assert await usage(client) == {"class": "mcp", "limit": "500/h", "used": 0, "left": 500}
    await client.call("check_auth_status", {})
    after = await usage(client)
    assert (after["used"], after["left"]) == (1, 499), after


@case("--sandbox", "--mcp-limit", "2/h")
async def answers_at_the_limit_when_to_come_back(client: Client):
    for _ in range(2):
        data_of(await client.call("brand_agent_list", {}))
    refusal = refusal_of(await client.call("brand_agent_list", {}))
    assert refusal["code"] == "RATE_LIMIT_EXCEEDED" and refusal["retryable"] is True, refusal
    assert 3500 < refusal["retryAfterSeconds"] <= 3600 and refusal["resetTime"].endswith("Z"), refusal
    assert (await usage(client))["left"] == 0


@case("--sandbox", "--mcp-limit", "1/s", "--on-limit", "wait", "--max-wait", "5s")
async def tells_how_a_waiting_call_gets_on(client: Client):
    await client.call("check_auth_status", {})
    heard: list[Json] = []
    result = await client.call("check_auth_status", {}, heard.append)
    assert text_of(result) == AUTHENTICATED, result
    assert heard, "no progress"
    waited = [notice["progress"] for notice in heard]
    assert waited == sorted(set(waited)), f"progress has to increase: {waited}"
    assert all(notice["total"] > 0 and "limit" in notice["message"] for notice in heard), heard


@by_hand("stdio", "sse", "http")
async def lets_go_of_the_request_when_a_call_is_cancelled(transport, connect):
    let_go = asyncio.Event()

    async def never_answer(reader, writer):
        await reader.read()
        let_go.set()
        writer.close()

    upstream = await asyncio.start_server(never_answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{upstream.sockets[0].getsockname()[1]}"
    key = {"SCOPE3_API_KEY": sandbox_keys()[0]}
    async with upstream, server(transport, "--api-url", url, env=key) as at, connect(at) as client:
        await client.cancel("check_auth_status", after=0.3)
        await asyncio.wait_for(let_go.wait(), 3)
        # The client and the server go on.
        assert await used(client) == 1
        assert not client.complaints, client.complaints


@by_hand("sse", "http")
async def lets_in_who_has_the_token(transport, connect):
    token = {"SCOPE3_MCP_TOKEN": "a token for the interop suite"}
    async with server(transport, "--sandbox", "--auth", "token", env=token) as at:
        allowed = replace(at, headers={"Authorization": f"Bearer {token['SCOPE3_MCP_TOKEN']}"})
        async with connect(allowed) as client:
            assert text_of(await client.call("check_auth_status", {})) == AUTHENTICATED
        await is_kept_out(connect, at)
        await is_kept_out(connect, replace(at, headers={"Authorization": "Bearer another token"}))


@by_hand("sse", "http")
async def works_with_the_key_that_each_request_brings(transport, connect):
    one, other = sandbox_keys()
    async with server(transport, "--sandbox", "--auth", "key") as at:
        by_header = replace(at, headers={"x-scope3-api-key": one})
        by_bearer = replace(at, headers={"Authorization": f"Bearer {other}"})
        async with connect(by_header) as client, connect(by_bearer) as other_client:
            asked = [client.call("check_auth_status", {}), other_client.call("check_auth_status", {})]
            assert [text_of(result) for result in await asyncio.gather(*asked)] == [AUTHENTICATED, OTHER_CUSTOMER]
            data_of(await client.call("brand_agent_list", {}))
            assert (await used(client), await used(other_client)) == (2, 1)
        await is_kept_out(connect, at)


async def is_kept_out(connect, at: Endpoint) -> None:
    try:
        async with connect(at) as client:
            listed = await client.list_tools(None)
    except Exception:
        return
    raise AssertionError(f"came in and saw {listed}")


def sandbox_keys() -> list[str]:
    """The keys of the sandbox's two customers, as `scope3-mcp sandbox` prints them."""
    command = [SERVER, "sandbox"]
    with subprocess.Popen(command, env=clean_env(), stdout=PIPE, stderr=DEVNULL, text=True) as sandbox:
        lines = [sandbox.stdout.readline().strip() for _ in range(3)]
        sandbox.terminate()
    return [line.removeprefix("SCOPE3_API_KEY=") for line in lines if "SCOPE3_API_KEY=" in line]
