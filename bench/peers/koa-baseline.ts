/**
 * The bound for small objects: koa that authenticates every request, hashes every body as S3 must
 * (MD5 for the ETag, SHA-256 as signed), answers 4 KiB from memory, and stores nothing.
 */
import { hash } from 'node:crypto';
import { createServer } from 'node:http';
import { createAuthenticator, requestHeaders } from '@holdfast/s3';
import Koa from 'koa';

const accessKey = process.env['BASELINE_ACCESS_KEY'];
const secretKey = process.env['BASELINE_SECRET_KEY'];
const body = Buffer.alloc(4096, 7);
const etag = `"${hash('md5', body)}"`;
const authenticator = createAuthenticator({
  findSecret: (accessKeyId) => (accessKeyId === accessKey ? secretKey : undefined),
  nowMs: () => Date.now(),
  region: 'us-east-1',
});

const app = new Koa();
app.use(async (context) => {
  const request = context.req;
  const authentication = authenticator.authenticate({
    method: request.method ?? '',
    rawUrl: request.url ?? '',
    headers: requestHeaders(request.rawHeaders),
  });
  if (authentication.kind !== 'signed') throw new Error('the request is not signed');
  if (request.method === 'GET') {
    context.set('ETag', etag);
    context.body = body;
    return;
  }
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  const whole = pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces);
  const payload = authentication.payload;
  if (typeof payload === 'object' && hash('sha256', whole) !== payload.sha256) {
    throw new Error('the body is not the one that was signed');
  }
  context.set('ETag', `"${hash('md5', whole)}"`);
  context.status = 200;
  context.body = '';
});

const answer = app.callback();
const server = createServer((request, response) => void answer(request, response));
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  console.log(`listening ${typeof address === 'object' ? address?.port : address}`);
});
process.once('SIGTERM', () => {
  server.closeAllConnections();
  server.close();
});
