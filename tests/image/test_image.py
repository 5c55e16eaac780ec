"""Tests the image `scope3-mcp`: its contents, and how its containers behave.

scripts/image-test builds the image and runs this in a network namespace, where all share the loopback interface."""

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

REPO = Path(__file__).parent.parent.parent
IMAGE = "localhost/scope3-mcp"
KEY = "scope3_sandboxcustomer12345notarealkey0_sandboxsecret"
TOKEN = "a-token-that-only-this-test-knows"
MAX_IMAGE_BYTES = 30_000_000
# Accepted calls may take 25 s, open streams 2 s more; no call is running here.
STOP_SECONDS = 10

Json = dict[str, Any]


def podman(*arguments: str, code: int | None = 0, **how: Any) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(["podman", *arguments], capture_output=True, text=True, timeout=60, **how)
    assert code is None or done.returncode == code, f"{arguments}: {done.returncode}: {done.stdout}{done.stderr}"
    return done


def inspected(kind: str, name: str) -> Json:
    return json.loads(podman(kind, "inspect", name).stdout)[0]


class Container:
    """A container of the image, as restricted as in the compose file."""

    def __init__(self, *command: str, env: Json | None = None, name: str = "server") -> None:
        self.name = name
        flags = [part for key, value in (env or {}).items() for part in ("--env", f"{key}={value or ''}")]
        podman("run", "--detach", "--name", name, *RESTRICTED, *flags, IMAGE, *command)

    @property
    def state(self) -> Json:
        return inspected("container", self.name)["State"]

    def log(self) -> str:
        done = podman("logs", self.name)
        return done.stdout + done.stderr

    def is_healthy(self, test: list[str]) -> bool:
        assert test[0] == "CMD", test
        return podman("exec", self.name, *test[1:], code=None).returncode == 0

    def wait(self, test: list[str]) -> None:
        deadline = time.monotonic() + 20
        while not self.is_healthy(test):
            assert self.state["Running"] and time.monotonic() < deadline, self.log()
            time.sleep(0.1)

    def stop(self) -> tuple[int, float]:
        """The exit code after SIGTERM, and the seconds until the container stopped."""
        began = time.monotonic()
        podman("stop", "--time", "30", self.name)
        return self.state["ExitCode"], time.monotonic() - began


RESTRICTED = ["--network=host", "--read-only", "--cap-drop=all", "--security-opt=no-new-privileges", "--no-healthcheck"]


@contextmanager
def running(*command: str, env: Json | None = None, check: list[str] | None = None, **how: Any) -> Iterator[Container]:
    """A container that has passed the given health check, or the image's."""
    container = Container(*command, env=env, **how)
    try:
        container.wait(check or health())
        yield container
    finally:
        print(container.log())
        podman("rm", "--force", "--time", "0", container.name)


@pytest.fixture
def server() -> Iterator[Container]:
    """A server with the embedded sandbox and a token."""
    with running(env=with_token()) as container:
        yield container


def health() -> list[str]:
    """The image's own HEALTHCHECK."""
    return inspected("image", IMAGE)["Healthcheck"]["Test"]


def ask(method: str, path: str, body: Json | None = None, **headers: str) -> HTTPResponse:
    """Sends a request. An underscore in a header's name stands for a dash; an empty value removes the header."""
    connection = HTTPConnection("127.0.0.1", 8080, timeout=10)
    sent = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/json, text/event-stream"}
    sent |= {key.replace("_", "-"): value for key, value in headers.items()}
    if body is not None:
        sent["Content-Type"] = "application/json"
    connection.request(method, path, body and json.dumps(body), {key: value for key, value in sent.items() if value})
    return connection.getresponse()


def request(method: str, id: int, **params: Any) -> Json:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


def initialize(version: str) -> Json:
    client = {"name": "image test", "version": "1"}
    return request("initialize", 1, protocolVersion=version, capabilities={}, clientInfo=client)


CHECK_KEY = request("tools/call", 2, name="check_auth_status", arguments={})


def events(response: HTTPResponse) -> Iterator[tuple[str, str]]:
    """The events of a stream, each with its name."""
    name, data = "message", []
    for line in response:
        field, _, value = line.decode().rstrip("\n").removesuffix("\r").partition(":")
        if field == "event":
            name = value.strip()
        elif field == "data":
            data.append(value.removeprefix(" "))
        elif not field and not value and data:
            yield name, "\n".join(data)
            name, data = "message", []


def message_of(response: HTTPResponse) -> Json:
    """The JSON-RPC message of a response, JSON or event stream."""
    assert response.status == 200, (response.status, response.read())
    if response.headers.get_content_type() == "application/json":
        return json.load(response)
    return next(found for _, data in events(response) if "id" in (found := json.loads(data or "{}")))


def assert_authenticated(found: Json) -> None:
    text = found["result"]["content"][0]["text"]
    assert re.search(r"✅ Authenticated as .*12345", text), text


def streamable(**headers: str) -> None:
    """Opens a session over Streamable HTTP and calls a tool."""
    response = ask("POST", "/mcp", initialize("2025-06-18"), **headers)
    session = {"Mcp_Session_Id": response.getheader("mcp-session-id"), **headers}
    assert message_of(response)["result"]["serverInfo"]["name"]
    ready = ask("POST", "/mcp", {"jsonrpc": "2.0", "method": "notifications/initialized"}, **session)
    assert ready.status == 202, ready.status
    assert_authenticated(message_of(ask("POST", "/mcp", CHECK_KEY, **session)))


def with_token(**more: str) -> Json:
    return {"SCOPE3_SANDBOX": "1", "SCOPE3_MCP_TOKEN": TOKEN, **more}


def test_the_image_is_small() -> None:
    size = inspected("image", IMAGE)["Size"]
    assert size < MAX_IMAGE_BYTES, size


def test_the_image_declares_how_to_run_it() -> None:
    config = inspected("image", IMAGE)["Config"]
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["/usr/local/bin/scope3-mcp"] and config["Cmd"] == ["http"]
    assert list(config["ExposedPorts"]) == ["8080/tcp"]
    assert "SCOPE3_BIND=0.0.0.0:8080" in config["Env"]
    assert config["StopSignal"] in ("SIGTERM", "15")
    assert health() == ["CMD", "/usr/local/bin/scope3-mcp", "healthcheck"]
    version = podman("run", "--rm", *RESTRICTED, IMAGE, "--version").stdout.split()[-1]
    assert config["Labels"]["org.opencontainers.image.version"] == version, (config["Labels"], version)


def test_the_image_contains_only_the_server_and_its_dependencies() -> None:
    name = podman("create", IMAGE).stdout.strip()
    with tempfile.NamedTemporaryFile(suffix=".tar") as file:
        podman("export", "--output", file.name, name)
        podman("rm", name)
        files = {"/" + entry.name.strip("/"): entry for entry in tarfile.open(file.name).getmembers()}
        store = tarfile.open(file.name).extractfile("etc/ssl/certs/ca-certificates.crt").read().decode()
    programs = [path for path, entry in files.items() if entry.isfile() and entry.mode & 0o111]
    libraries = re.compile(r".*/(ld-linux[\w.-]*|lib[\w.+-]*\.so(\.\d+)*)")
    assert [path for path in programs if not libraries.fullmatch(path)] == ["/usr/local/bin/scope3-mcp"], programs
    assert not [path for path, entry in files.items() if entry.issym()], "a link could point anywhere"
    for path, entry in files.items():
        assert not entry.mode & 0o6000, f"{path} is setuid or setgid"
        assert entry.issym() or not entry.mode & 0o002 or path in ("/dev", "/proc", "/sys"), f"{path} is world-writable"
        assert (entry.uid, entry.gid) == ((65532, 65532) if path.startswith("/home/nonroot") else (0, 0)), path
    roots = ssl.create_default_context(cadata=store).get_ca_certs()
    assert len(roots) > 50, len(roots)
    assert {"/var/lib/dpkg/status.d/libc6", "/usr/share/doc/libc6/copyright"} <= files.keys()


def test_a_container_runs_as_its_user_and_stops_on_sigterm(server: Container) -> None:
    status = Path(f"/proc/{server.state['Pid']}/status").read_text()
    assert re.search(r"^Uid:\t65532\t65532\t65532\t65532$", status, re.MULTILINE), status
    assert re.search(r"^NSpid:\t\d+\t1$", status, re.MULTILINE), "not process 1"
    assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE)
    stream = events(ask("GET", "/sse"))
    assert next(stream)[0] == "endpoint"
    code, seconds = server.stop()
    assert code == 0 and seconds < STOP_SECONDS, (code, seconds, server.log())
    assert not list(stream), "the stream was not closed"


def test_the_health_check_notices_a_server_that_hangs_or_is_gone(server: Container) -> None:
    assert ask("GET", "/healthz", Authorization="").status == 200
    assert server.is_healthy(health())
    os.kill(server.state["Pid"], signal.SIGSTOP)
    began = time.monotonic()
    assert not server.is_healthy(health())
    assert time.monotonic() - began < 5, "an engine would have stopped waiting"
    os.kill(server.state["Pid"], signal.SIGCONT)
    assert server.is_healthy(health())
    server.stop()
    podman("run", "--rm", *RESTRICTED, IMAGE, "healthcheck", code=1)


def test_streamable_http_works(server: Container) -> None:
    streamable()
    streamable(Host="localhost:8080")


def test_http_sse_works(server: Container) -> None:
    response = ask("GET", "/sse")
    assert response.status == 200 and response.headers.get_content_type() == "text/event-stream"
    stream = events(response)
    name, endpoint = next(stream)
    assert name == "endpoint" and endpoint.startswith("/messages"), (name, endpoint)
    received = (json.loads(data) for name, data in stream if name == "message")
    for message in (initialize("2024-11-05"), {"jsonrpc": "2.0", "method": "notifications/initialized"}, CHECK_KEY):
        assert ask("POST", endpoint, message).status == 202
        found = next(received) if "id" in message else None
    assert_authenticated(found)


def test_only_the_right_token_is_accepted(server: Container) -> None:
    for wrong in ("", "Bearer another", f"Bearer {KEY}"):
        for method, path, body in (("POST", "/mcp", initialize("2025-06-18")), ("GET", "/sse", None)):
            response = ask(method, path, body, Authorization=wrong)
            assert response.status == 401 and response.getheader("www-authenticate"), (path, wrong, response.status)


def test_the_allowed_hosts_come_from_the_environment() -> None:
    with running(env=with_token(SCOPE3_ALLOW_HOST="mcp.example.com,other.example.com:8443")):
        for host in ("mcp.example.com", "mcp.example.com:443", "other.example.com:8443", "127.0.0.1:8080"):
            streamable(Host=host)
        for host in ("evil.example", "other.example.com:8444", "mcp.example.com.evil.example", "localhost:9"):
            for method, path in (("POST", "/mcp"), ("GET", "/sse"), ("POST", "/messages"), ("GET", "/healthz")):
                status = ask(method, path, initialize("2025-06-18") if method == "POST" else None, Host=host).status
                assert status == 403, (host, path, status)
        for origin in ("https://evil.example", "null"):
            assert ask("POST", "/mcp", initialize("2025-06-18"), Origin=origin).status == 403, origin


def test_a_server_with_a_key_generates_a_token_if_none_is_set() -> None:
    with running(env={"SCOPE3_SANDBOX": "1"}) as server:
        found = re.findall(r"Bearer ([\w.~+/=-]+)", server.log())
        assert len(found) == 1, server.log()
        assert ask("POST", "/mcp", initialize("2025-06-18"), Authorization="").status == 401
        streamable(Authorization=f"Bearer {found[0]}")


def test_a_server_without_a_key_requires_one_from_each_caller() -> None:
    env = {"SCOPE3_API_URL": "http://127.0.0.1:8081/api/v2/buyer"}
    with running(env=env), sandbox():
        assert ask("POST", "/mcp", initialize("2025-06-18"), Authorization="").status == 401
        streamable(Authorization=f"Bearer {KEY}")


def test_a_key_can_be_mounted_as_a_file() -> None:
    env = {"SCOPE3_API_URL": "http://127.0.0.1:8081/api/v2/buyer", "SCOPE3_API_KEY_FILE": "/run/secrets/scope3"}
    with tempfile.NamedTemporaryFile("w") as file, sandbox():
        os.chmod(file.name, 0o644)
        file.write(KEY + "\n")
        file.flush()
        flags = [part for pair in env.items() for part in ("--env", "=".join(pair))]
        mount = ["--volume", f"{file.name}:/run/secrets/scope3:ro"]
        done = podman("run", "--rm", *RESTRICTED, *mount, *flags, IMAGE, "tools", "call", "check_auth_status")
        assert "12345" in done.stdout, done


def test_the_state_is_in_a_volume_and_without_one_the_error_says_what_to_mount() -> None:
    podman("run", "--rm", *RESTRICTED, IMAGE, "journal")
    failed = podman("run", "--rm", *RESTRICTED, "--image-volume=ignore", IMAGE, "journal", code=1).stderr
    assert "mount a volume" in failed and "/home/nonroot/.local/state/scope3-mcp" in failed, failed


def test_stdio_works_in_a_container() -> None:
    ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    lines = "".join(json.dumps(message) + "\n" for message in (initialize("2025-06-18"), ready, CHECK_KEY))
    done = podman("run", "--rm", "-i", *RESTRICTED, "--env", "SCOPE3_SANDBOX=1", IMAGE, "stdio", input=lines)
    answers = {found["id"]: found for found in map(json.loads, done.stdout.splitlines()) if "id" in found}
    assert_authenticated(answers[2])


def test_the_server_trusts_the_certificates_of_the_image() -> None:
    """An unknown certificate is rejected, and accepted once it replaces the certificates of the image."""
    with tempfile.TemporaryDirectory() as folder, HTTPServer(("127.0.0.1", 8443), EmptyApi) as server:
        os.chmod(folder, 0o755)
        key, certificate = f"{folder}/key.pem", f"{folder}/certificate.pem"
        make = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
        make += f" -addext basicConstraints=critical,CA:FALSE -config /dev/stdin -keyout {key} -out {certificate}"
        plain = b"[req]\ndistinguished_name=name\n[name]\n"
        subprocess.run(make.split(), input=plain, check=True, capture_output=True)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, key)
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        env = ["--env", "SCOPE3_API_URL=https://localhost:8443/api/v2/buyer", "--env", f"SCOPE3_API_KEY={KEY}"]
        mount = ["--volume", f"{certificate}:/etc/ssl/certs/ca-certificates.crt:ro"]
        call = [IMAGE, "tools", "call", "list_advertisers"]
        rejected = podman("run", "--rm", *RESTRICTED, *env, *call, code=1).stderr
        assert "UnknownIssuer" in rejected and not EmptyApi.requests, rejected
        answered = podman("run", "--rm", *RESTRICTED, *env, *mount, *call, code=1).stderr
        assert EmptyApi.requests and "certificate" not in answered, answered
        server.shutdown()


def test_host_names_are_resolved_over_the_network() -> None:
    """The image contains what the C library needs for that."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as dns, socket.create_server(("127.0.0.1", 8444)) as api:
        dns.bind(("127.0.0.1", 53))
        api.settimeout(20)
        threading.Thread(target=resolve, args=(dns,), daemon=True).start()
        env = ["--env", "SCOPE3_API_URL=https://api.example.test:8444/api/v2/buyer", "--env", f"SCOPE3_API_KEY={KEY}"]
        call = [IMAGE, "tools", "call", "list_advertisers"]
        container = podman("run", "--detach", *RESTRICTED, "--dns=127.0.0.1", *env, *call).stdout.strip()
        try:
            api.accept()[0].close()
        finally:
            podman("rm", "--force", "--time", "0", container)


def resolve(dns: socket.socket) -> None:
    """A DNS server that resolves every name to 127.0.0.1, and none to an IPv6 address."""
    while True:
        try:
            query, client = dns.recvfrom(512)
        except OSError:
            return
        end = query.index(b"\0", 12) + 5
        found = query[end - 4 : end - 2] == b"\0\1"
        head = query[:2] + b"\x81\x80\0\1" + (b"\0\1" if found else b"\0\0") + b"\0\0\0\0"
        address = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1" if found else b""
        dns.sendto(head + query[12:end] + address, client)


class EmptyApi(BaseHTTPRequestHandler):
    """An API that answers 404 to everything."""

    requests = 0

    def do_POST(self) -> None:
        EmptyApi.requests += 1
        self.send_error(404)

    do_GET = do_POST

    def log_message(self, *_: Any) -> None:
        pass


def test_the_compose_file_starts_both_services() -> None:
    """Podman starts them as the file describes: Compose itself needs a daemon."""
    server, other = COMPOSE["server"], COMPOSE["sandbox"]
    assert server["ports"] == ["127.0.0.1:8080:8080"] and other["network_mode"] == "service:server"
    for service in (server, other):
        assert service["read_only"] and service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    assert int(server["stop_grace_period"].removesuffix("s")) > 27
    with running(env=server["environment"] | {"SCOPE3_MCP_TOKEN": TOKEN}), sandbox() as container:
        streamable(Host="localhost:8080")
        code, seconds = container.stop()
        assert code == 0 and seconds < STOP_SECONDS, (code, seconds)


def compose() -> Json:
    """The services of the compose file, with the defaults of its variables."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", (REPO / "compose.yaml").read_text())
    return yaml.safe_load(text)["services"]


COMPOSE = compose()


def sandbox() -> AbstractContextManager[Container]:
    """The compose file's second service."""
    service = COMPOSE["sandbox"]
    check = service["healthcheck"]["test"]
    return running(*service["command"], env=service["environment"], check=check, name="sandbox")

