import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { loadCrc32c, loadXxHashes, ThreadDigests } from '@holdfast/env/node';
import { parseAmzDate } from '../../src/auth/amz-date.ts';
import type { Authentication } from '../../src/auth/index.ts';
import { createAuthenticator, requestHeaders } from '../../src/auth/index.ts';
import {
  bodyVerification,
  decodeBody,
  digestText,
  storedContentEncoding,
} from '../../src/body/index.ts';
import { ACCESS_KEY, SECRET_KEY } from '../auth/request-signer.ts';

export interface Received {
  readonly authentication: Authentication;
  readonly method: string;
  readonly rawUrl: string;
  readonly body: string;
  readonly contentEncoding: string | undefined;
  readonly checksum: { readonly algorithm: string; readonly value: string } | undefined;
}

export interface VerifyingServer {
  readonly port: number;
  /** What was accepted, and why the rest was not. */
  readonly received: Received[];
  readonly refused: string[];
  [Symbol.asyncDispose](): Promise<void>;
}

/** Checks each request whole, stores nothing. Its clock is that of whoever signed the request. */
export async function startVerifyingServer(): Promise<VerifyingServer> {
  const { crc32c } = await loadCrc32c();
  const digests = new ThreadDigests(crc32c, await loadXxHashes());
  const received: Received[] = [];
  const refused: string[] = [];
  const read = async (req: IncomingMessage): Promise<Received> => {
    const headers = requestHeaders(req.rawHeaders);
    const { method = '', url: rawUrl = '' } = req;
    const amzDate = headers.get('x-amz-date') ?? /X-Amz-Date=([^&]*)/.exec(rawUrl)?.[1] ?? '';
    const authentication = createAuthenticator({
      findSecret: (accessKeyId) => (accessKeyId === ACCESS_KEY ? SECRET_KEY : undefined),
      nowMs: () => parseAmzDate(amzDate) ?? 0,
      region: 'us-east-1',
    }).authenticate({ method, rawUrl, headers });
    const body = decodeBody(req, authentication, authentication.headers, { requireLength: false });
    const { payload } = authentication;
    const verification = bodyVerification(authentication.headers, body, payload);
    const pieces: Uint8Array[] = [];
    for await (const piece of body.pieces) pieces.push(piece.slice());
    const bytes = Buffer.concat(pieces);
    const results = digests.compute(['md5', ...verification.digests], bytes);
    const algorithm = verification.accept(results, bytes.length);
    const checksum = algorithm && { algorithm, value: digestText(results, algorithm) };
    const contentEncoding = storedContentEncoding(authentication.headers);
    return { authentication, method, rawUrl, body: bytes.toString(), contentEncoding, checksum };
  };
  const server = createServer((req, res) => {
    void read(req).then(
      (request) => {
        received.push(request);
        res.end();
      },
      (error: unknown) => {
        refused.push(String(error));
        res.writeHead(400, { connection: 'close' }).end();
      },
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    received,
    refused,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await digests.close();
    },
  };
}
