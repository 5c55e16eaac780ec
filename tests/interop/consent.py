"""What every client that can ask its user must observe of consent, in every transport and protocol version in which it can.

The module of a client imports these tests. Its `asking` connects a client whose user gives an `answer`: `accept`, `decline`,
`cancel`, or `never`."""

import asyncio

import pytest
from cases import data_of, refusal_of
from harness import RpcError, server

# The flags of the server. The environment of the other tests turns consent off.
FLAGS = ["--sandbox", "--toolsets", "all", "--confirm", "auto"]


async def brand_agents(client) -> set[str]:
    return {agent["id"] for agent in data_of(await client.call("brand_agent_list", {}))["brandAgents"]}


@pytest.mark.parametrize("answer", ["accept", "decline", "cancel"])
async def test_asks_the_user_before_it_deletes(transport, asking, answer):
    async with server(transport, *FLAGS) as at, asking(at, answer=answer) as client:
        before = await brand_agents(client)
        id = sorted(before)[0]
        result = await client.call("brand_agent_delete", {"brandAgentId": id})
        if answer == "accept":
            assert "scope3Mcp" in data_of(result) and "confirmation" not in data_of(result)["scope3Mcp"], result
        else:
            assert refusal_of(result)["code"] == "CONSENT_DECLINED", result
        assert await brand_agents(client) == (before - {id} if answer == "accept" else before)
        [question] = client.questions
        assert "Delete brand agent in the sandbox?" in question and f"({id})" in question, question
        assert not client.complaints, client.complaints


async def test_an_answer_that_never_comes_is_a_timeout_and_no_change(transport, asking):
    async with server(transport, *FLAGS) as at, asking(at, answer="never") as client:
        before = await brand_agents(client)
        id = sorted(before)[0]
        with pytest.raises((RpcError, TimeoutError)):
            await client.call("brand_agent_delete", {"brandAgentId": id}, seconds=2)
        assert len(client.questions) == 1, client.questions
        client.give_up.set()
        # The client and the server keep working, and nothing was changed.
        assert await brand_agents(client) == before
        # `mcp` 1.x fails if the response to the call that it gave up arrives while it ends.
        await asyncio.sleep(1)


async def test_a_client_without_elicitation_gets_a_preview(transport, version, connect):
    async with server(transport, *FLAGS) as at, connect(at) as client:
        before = await brand_agents(client)
        id = sorted(before)[0]
        preview = refusal_of(await client.call("brand_agent_delete", {"brandAgentId": id}))
        assert preview["code"] == "CONFIRMATION_REQUIRED", preview
        assert await brand_agents(client) == before
        again = {"brandAgentId": id, "confirmation": preview["confirmation"]["code"]}
        data_of(await client.call("brand_agent_delete", again))
        assert await brand_agents(client) == before - {id}


__all__ = [name for name in globals() if name.startswith("test_")]
