"""Fixtures of the tests, and what pytest does around each of them."""

import asyncio
import inspect
import os
import signal
import tempfile
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

pytest.register_assert_rewrite("cases", "consent", "harness")
from harness import RUNNER, server  # noqa: E402

TEST_SECONDS = 20


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs a test over each transport and protocol version that the client of its module speaks."""
    if "transport" not in metafunc.fixturenames:
        return
    speaks = metafunc.module.ASKS if "asking" in metafunc.fixturenames else metafunc.module.SPEAKS
    mark = metafunc.definition.get_closest_marker("transports")
    transports = [transport for transport in (mark.args if mark else speaks) if transport in speaks]
    if "version" in metafunc.fixturenames:
        pairs = [(transport, version) for transport in transports for version in speaks[transport]]
        metafunc.parametrize(("transport", "version"), pairs)
    else:
        metafunc.parametrize("transport", transports)


@pytest.fixture
def connect(request: pytest.FixtureRequest, version: str):
    """Connects to an `Endpoint` with the module's client, in the protocol version of the test."""
    return partial(request.module.connect, version=version)


@pytest.fixture
def asking(request: pytest.FixtureRequest, version: str):
    """Connects a client that can ask its user, who gives an `answer`, to an `Endpoint`."""
    return partial(request.module.connect, version=version)


@pytest.fixture
def connected(transport: str, connect):
    """Connects to a new server with the given flags."""

    @asynccontextmanager
    async def connected(*flags: str):
        async with server(transport, *flags) as endpoint, connect(endpoint) as client:
            yield client
            assert not client.complaints, f"the client complained: {client.complaints}"

    return connected


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs a test that is a coroutine, and cancels it when it takes too long."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = inspect.signature(pyfuncitem.obj).parameters

    async def run() -> None:
        async with asyncio.timeout(TEST_SECONDS):
            await pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in arguments})

    RUNNER.run(run())
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """Fails a test during which the server panicked."""
    report = yield
    if "panicked at" in report.capstdout + report.capstderr:
        report.outcome, report.longrepr = "failed", "the server panicked"
    return report


@pytest.fixture(scope="session", autouse=True)
def no_process_left_running():
    """Kills processes that outlive the session, and fails for them. The folder in their environment identifies them."""
    with tempfile.TemporaryDirectory(prefix="interop-") as folder:
        tempfile.tempdir = folder
        yield
        tempfile.tempdir = None
        RUNNER.close()
        left = kill_processes_with(folder)
    assert not left, f"left running: {left}"


def kill_processes_with(folder: str) -> list[bytes]:
    """Needs Linux's /proc; elsewhere it finds none."""
    killed = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # It has exited, or belongs to another user.
            if folder.encode() in environ.read_bytes():
                killed.append((environ.parent / "cmdline").read_bytes().replace(b"\0", b" "))
                os.kill(int(environ.parent.name), signal.SIGKILL)
    return killed
