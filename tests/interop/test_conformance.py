"""The npm package @modelcontextprotocol/conformance: what a version of the protocol requires of a server."""

import asyncio
import re
from asyncio.subprocess import PIPE, STDOUT

import pytest
from harness import HERE, NODE_PACKAGES, clean_env, server

BIN = NODE_PACKAGES / ".bin"
SPEAKS = {"http": ["2025-11-25", "2026-07-28"]}
ENTRY = re.compile(r" +- ([^ :]+)(:\S+)?  # \S")


@pytest.fixture
def baseline(version):
    return HERE / f"conformance-{version}.yml"


async def conformance(*arguments):
    env = clean_env()
    env["PATH"] = f"{BIN}:{env['PATH']}"
    suite = await asyncio.create_subprocess_exec(BIN / "conformance", *arguments, env=env, stdout=PIPE, stderr=STDOUT)
    printed, _ = await suite.communicate()
    return suite.returncode, printed.decode()


async def test_passes_except_for_the_baseline(transport, version, baseline):
    async with server(transport, "--sandbox") as at:
        # It also fails if a scenario of the baseline passes.
        code, printed = await conformance(
            "server", "--url", at.url, "--requirements", version, "--expected-failures", baseline
        )
    assert code == 0, printed[printed.find("=== SUMMARY") :]


async def test_the_baseline_has_a_reason_for_each_scenario(transport, version, baseline):
    # The suite ignores unknown names.
    _, scenarios = await conformance("list", "--server", "--requirements", version)
    for line in baseline.read_text().splitlines():
        if line.strip().startswith("-"):
            entry = ENTRY.match(line)
            assert entry, f"no reason: {line}"
            assert re.search(rf"^ +- {entry[1]}\b", scenarios, re.MULTILINE), f"not required: {line}"
