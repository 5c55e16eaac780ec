// Drives clients of the npm package @modelcontextprotocol/sdk for test_npm_sdk.py. Reads one JSON request per line from
// stdin; writes results, progress and complaints to stdout.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const [installed, sdk] = process.argv.slice(2);
// CommonJS, because the package is installed elsewhere and its newest protocol version is changed below.
const require = createRequire(installed);
const { Client } = require(`${sdk}/client/index.js`);
const { SSEClientTransport } = require(`${sdk}/client/sse.js`);
const { StdioClientTransport } = require(`${sdk}/client/stdio.js`);
const { StreamableHTTPClientTransport } = require(`${sdk}/client/streamableHttp.js`);
const types = require(`${sdk}/types.js`);

const say = message => process.stdout.write(JSON.stringify(message) + '\n');

const clients = new Map();

function transportTo({ transport, command, env, url, headers }, complain) {
    if (transport === 'stdio') {
        const [program, ...args] = command;
        return new StdioClientTransport({ command: program, args, env });
    }
    const watchedFetch = (url, init) => {
        // No stream breaks here, so no stream must be resumed.
        const from = new Headers(init?.headers).get('last-event-id');
        if (from !== null) complain(`resumes a stream from ${from}`);
        return fetch(url, init);
    };
    const Transport = transport === 'sse' ? SSEClientTransport : StreamableHTTPClientTransport;
    return new Transport(new URL(url), { requestInit: { headers }, fetch: watchedFetch });
}

const operations = {
    async connect({ client: number, endpoint, version, answer }) {
        const complain = complaint => {
            // The package handles a notification after the result that arrived with it, and then rejects its token.
            if (!/progress notification for an unknown token/.test(complaint)) say({ client: number, complaint });
        };
        // The package requests its newest version and accepts the server's choice.
        types.LATEST_PROTOCOL_VERSION = version;
        const transport = transportTo(endpoint, complain);
        let agreed;
        const { setProtocolVersion } = transport;
        transport.setProtocolVersion = value => {
            agreed = value;
            setProtocolVersion?.call(transport, value);
        };
        const capabilities = answer ? { elicitation: {} } : {};
        const client = new Client({ name: 'interop', version: '1' }, { capabilities });
        if (answer) {
            client.setRequestHandler(types.ElicitRequestSchema, ({ params }) => {
                say({ client: number, question: params.message });
                if (answer === 'never') return new Promise(() => {});
                return { action: answer, ...(answer === 'accept' && { content: {} }) };
            });
        }
        client.onerror = error => complain(String(error));
        await client.connect(transport);
        clients.set(number, client);
        return { server: client.getServerVersion(), instructions: client.getInstructions() ?? '', version: agreed };
    },
    list({ client, cursor }) {
        return clients.get(client).listTools({ cursor: cursor ?? undefined });
    },
    call({ id, client, name, arguments: given, abortAfter }) {
        const signal = abortAfter && AbortSignal.timeout(abortAfter);
        const onprogress = progress => say({ id, progress });
        return clients.get(client).callTool({ name, arguments: given }, undefined, { onprogress, signal });
    },
    async close({ client: number }) {
        const client = clients.get(number);
        await client.transport.terminateSession?.();
        await client.close();
    },
};

for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    const { id, operation } = request;
    Promise.resolve()
        .then(() => operations[operation](request))
        .then(result => say({ id, result: result ?? null }))
        .catch(error => say({ id, error: { code: error.code ?? null, message: String(error) } }));
}
// The package may leave a timer for a stream that it wanted to resume.
process.exit();
