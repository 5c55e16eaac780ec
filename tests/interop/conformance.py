"""npm's @modelcontextprotocol/conformance: what a version of the protocol requires of a server."""

import asyncio
import re
import sys
from asyncio.subprocess import PIPE, STDOUT

from harness import HERE, INSTALLED, clean_env, reported, server

BIN = INSTALLED / "npm" / "node_modules" / ".bin"
ENTRY = re.compile(r" +- ([^ :]+)(:\S+)?  # \S")


async def conformance(*arguments):
    env = clean_env()
    env["PATH"] = f"{BIN}:{env['PATH']}"
    suite = await asyncio.create_subprocess_exec(BIN / "conformance", *arguments, env=env, stdout=PIPE, stderr=STDOUT)
    printed, _ = await suite.communicate()
    return suite.returncode, printed.decode()


async def passes_but_for_the_baseline(version, baseline):
    async with server("http", "--sandbox") as at:
        # It fails on a scenario of the baseline that passes, too.
        code, printed = await conformance(
            "server", "--url", at.url, "--requirements", version, "--expected-failures", baseline
        )
    assert code == 0, printed[printed.find("=== SUMMARY") :]


async def has_a_reason_for_each_scenario_of_the_baseline(version, baseline):
    # The suite does not mind names that it does not know.
    _, scenarios = await conformance("list", "--server", "--requirements", version)
    for line in baseline.read_text().splitlines():
        if line.strip().startswith("-"):
            entry = ENTRY.match(line)
            assert entry, f"no reason: {line}"
            assert re.search(rf"^ +- {entry[1]}\b", scenarios, re.MULTILINE), f"not required: {line}"


async def main(version):
    baseline = HERE / f"conformance-{version}.yml"
    runs = [passes_but_for_the_baseline, has_a_reason_for_each_scenario_of_the_baseline]
    return all([await reported(run.__name__.replace("_", " "), run(version, baseline)) for run in runs])


if __name__ == "__main__":
    sys.exit(not asyncio.run(main(sys.argv[1])))
