"""The Python package `openai-agents`: the complete loop of an agent, with a scripted model instead of a service."""

import json

import pytest
from agents import Agent, Runner, set_tracing_disabled
from agents.items import ModelResponse
from agents.mcp import MCPServerSse, MCPServerStdio, MCPServerStreamableHttp
from agents.models.interface import Model
from agents.usage import Usage
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

from cases import AUTHENTICATED, sandbox_keys
from harness import server

set_tracing_disabled(True)
SPEAKS = ["stdio", "sse", "http"]


class Scripted(Model):
    """Calls each tool of its script in turn, then repeats their results."""

    def __init__(self, *calls):
        self.calls = list(calls)
        self.offered = []

    async def get_response(self, system_instructions, input, model_settings, tools, *_, **__):
        self.offered = [tool.name for tool in tools]
        if self.calls:
            name, arguments = self.calls.pop(0)
            call = ResponseFunctionToolCall(
                type="function_call", call_id=f"call_{len(self.calls)}", name=name, arguments=json.dumps(arguments)
            )
            return ModelResponse([call], Usage(), None)
        results = [str(item["output"]) for item in input if item.get("type") == "function_call_output"]
        text = ResponseOutputText(type="output_text", text="\n".join(results), annotations=[])
        message = ResponseOutputMessage(
            type="message", id="message", role="assistant", status="completed", content=[text]
        )
        return ModelResponse([message], Usage(), None)

    def stream_response(self, *_, **__):
        raise NotImplementedError


def mcp_server(at):
    # The default is 5 s; a busy machine may need longer.
    timeout = {"client_session_timeout_seconds": 15}
    if at.transport == "stdio":
        program, *args = at.command
        return MCPServerStdio({"command": program, "args": args, "env": at.env}, **timeout)
    kind = MCPServerSse if at.transport == "sse" else MCPServerStreamableHttp
    return kind({"url": at.url, "headers": at.headers}, **timeout)


async def output_of_an_agent(at, *calls):
    model = Scripted(*calls)
    async with mcp_server(at) as connected:
        agent = Agent("Buyer", instructions="Follow the script.", model=model, mcp_servers=[connected])
        result = await Runner.run(agent, "Who am I at Scope3?")
    assert calls[0][0] in model.offered, model.offered
    return result.final_output


async def test_an_agent_checks_its_key(transport):
    async with server(transport, "--sandbox") as at:
        output = await output_of_an_agent(at, ("check_auth_status", {}))
        assert AUTHENTICATED in output, output


async def test_an_agent_learns_what_was_wrong_and_continues(transport):
    async with server(transport, "--sandbox") as at:
        output = await output_of_an_agent(at, ("brand_agent_list", {"wehre": {}}), ("brand_agent_list", {}))
        assert "did you mean `where`?" in output and "Northwind Outdoor" in output, output


async def test_an_agent_pages_through_all_tools(transport):
    async with server(transport, "--sandbox", "--toolsets", "all") as at:
        # The last tool of the last page.
        output = await output_of_an_agent(at, ("describe_tool", {"name": "tactic_get"}))
        assert "tactic_get" in output, output


@pytest.mark.transports("sse", "http")
async def test_an_agent_sends_its_own_key(transport):
    async with server(transport, "--sandbox", "--auth", "key") as at:
        at.headers = {"x-scope3-api-key": sandbox_keys()[0]}
        output = await output_of_an_agent(at, ("check_auth_status", {}))
        assert AUTHENTICATED in output, output
