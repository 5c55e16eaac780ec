// Drives the npm package @modelcontextprotocol/sdk for npm_sdk.py: a JSON request a line on stdin, answers on stdout.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

// The package is installed elsewhere, so it is loaded from there; as CommonJS, since its newest version is set below.
const require = createRequire(process.argv[2]);
const { Client } = require('@modelcontextprotocol/sdk/client/index.js');
const { SSEClientTransport } = require('@modelcontextprotocol/sdk/client/sse.js');
const { StdioClientTransport } = require('@modelcontextprotocol/sdk/client/stdio.js');
const { StreamableHTTPClientTransport } = require('@modelcontextprotocol/sdk/client/streamableHttp.js');
const types = require('@modelcontextprotocol/sdk/types.js');

const say = message => process.stdout.write(JSON.stringify(message) + '\n');

let client, transport;

function transportTo({ transport, command, env, url, headers }) {
    if (transport === 'stdio') {
        const [program, ...args] = command;
        return new StdioClientTransport({ command: program, args, env });
    }
    const Transport = transport === 'sse' ? SSEClientTransport : StreamableHTTPClientTransport;
    return new Transport(new URL(url), { requestInit: { headers }, fetch: watchedFetch });
}

// No stream breaks off here, so none has to be taken up again.
function watchedFetch(url, init) {
    const from = new Headers(init?.headers).get('last-event-id');
    if (from !== null) say({ complaint: `takes a stream up again from ${from}` });
    return fetch(url, init);
}

function complain(error) {
    // The package handles a notification later than an answer that came with it, and then does not know it any more.
    if (!String(error).includes('progress notification for an unknown token')) say({ complaint: String(error) });
}

const operations = {
    async connect({ endpoint, version }) {
        // The package asks for its newest version, and takes what it is given.
        types.LATEST_PROTOCOL_VERSION = version;
        client = new Client({ name: 'interop', version: '1' });
        client.onerror = complain;
        let agreed;
        transport = transportTo(endpoint);
        const { setProtocolVersion } = transport;
        transport.setProtocolVersion = value => {
            agreed = value;
            setProtocolVersion?.call(transport, value);
        };
        await client.connect(transport);
        return { server: client.getServerVersion(), instructions: client.getInstructions() ?? '', version: agreed };
    },
    list: ({ cursor }) => client.listTools({ cursor: cursor ?? undefined }),
    call({ name, arguments: given, abortAfter }, id) {
        const signal = abortAfter && AbortSignal.timeout(abortAfter);
        const onprogress = progress => say({ id, progress });
        return client.callTool({ name, arguments: given }, undefined, { onprogress, signal });
    },
    async close() {
        await transport.terminateSession?.();
        await client.close();
    },
};

for await (const line of createInterface({ input: process.stdin })) {
    const { id, operation, ...parameters } = JSON.parse(line);
    Promise.resolve()
        .then(() => operations[operation](parameters, id))
        .then(result => say({ id, result: result ?? null }))
        .catch(error => say({ id, error: { code: error.code ?? null, message: String(error) } }));
}
// The package may leave a timer behind, for a stream that it wanted to take up again.
process.exit();
