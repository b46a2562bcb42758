import type { IncomingMessage, ServerResponse } from 'node:http';

export interface OwnRoutesOptions {
  /** Whether requests can be served now; undefined when they can, else the reason. */
  readonly notReadyBecause: () => string | undefined;
  /** undefined where no metrics are kept. */
  readonly renderMetrics: (() => Promise<string>) | undefined;
  readonly metricsContentType: string;
  readonly answerChanges: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
}

export type OwnRoute = 'live' | 'ready' | 'metrics' | 'changes' | 'minio-admin' | 'unknown';

/** No bucket can have this name, so the prefix is free in path style. */
const OWN_PREFIX = '/_/';

const ROUTES: ReadonlyMap<string, OwnRoute> = new Map<string, OwnRoute>([
  ['/_/health/live', 'live'],
  ['/_/health/ready', 'ready'],
  ['/_/metrics', 'metrics'],
  ['/_/changes', 'changes'],
  // What health checks written for MinIO ask for, `mc ready` among them.
  ['/minio/health/live', 'live'],
  ['/minio/health/ready', 'ready'],
  ['/minio/health/cluster', 'ready'],
  ['/minio/health/cluster/read', 'ready'],
]);

const MINIO_ADMIN_PREFIX = '/minio/admin/';

/** A signature for no region: `mc admin` signs so. Nothing of S3 could be asked with it. */
const SIGNED_FOR_NO_REGION = /Credential=[^,\s]+\/\d{8}\/\/s3\/aws4_request/;

const NO_ADMIN_API =
  'There is no admin API of MinIO here. Users and policies come from the file of serve --init, metrics are at /_/metrics.';

/** Which route of ours the request is for; undefined for a request of the S3 API. */
export function matchOwnRoute(
  request: Pick<IncomingMessage, 'url' | 'headers'>,
  domains: readonly string[],
): OwnRoute | undefined {
  const url = request.url ?? '/';
  // Why first: nearly every request is for S3 and leaves here.
  if (!url.startsWith(OWN_PREFIX) && !url.startsWith('/minio/')) return undefined;
  const host = (request.headers.host ?? '').toLowerCase().replace(/:\d+$/, '');
  if (domains.some((domain) => host.endsWith(`.${domain.toLowerCase()}`))) return undefined;
  const [path = url, query = ''] = url.split('?', 2);
  const route = ROUTES.get(path);
  if (url.startsWith(OWN_PREFIX)) return route ?? 'unknown';
  // Safety: it asks whether the node may be taken down, and a node that is ready does not say that.
  if (query.includes('maintenance')) return undefined;
  if (url.startsWith(MINIO_ADMIN_PREFIX)) {
    return SIGNED_FOR_NO_REGION.test(request.headers.authorization ?? '')
      ? 'minio-admin'
      : undefined;
  }
  // A signed request for `/minio/...` means the bucket of that name.
  const signed = request.headers.authorization !== undefined || url.includes('X-Amz-Signature=');
  return signed ? undefined : route;
}

/** Answers a request that `matchOwnRoute` matched. Never rejects. */
export async function answerOwnRoute(
  route: OwnRoute,
  request: IncomingMessage,
  response: ServerResponse,
  options: OwnRoutesOptions,
): Promise<void> {
  if (route === 'changes') return options.answerChanges(request, response);
  request.resume();
  if (route === 'minio-admin') return refuse(response, 501, 'NotImplemented', NO_ADMIN_API);
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    answer(response, 405, 'text/plain', 'Only GET and HEAD are answered here.\n');
    return;
  }
  switch (route) {
    case 'live':
      return answer(response, 200, 'text/plain', 'live\n');
    case 'ready': {
      const reason = options.notReadyBecause();
      return answer(response, reason ? 503 : 200, 'text/plain', `${reason ?? 'ready'}\n`);
    }
    case 'metrics':
      return options.renderMetrics
        ? answerMetrics(response, options.metricsContentType, options.renderMetrics)
        : answer(response, 404, 'text/plain', 'No metrics are kept.\n');
    case 'unknown':
      return answer(response, 404, 'text/plain', 'There is no such page.\n');
  }
}

/** Answers a request of the S3 API that came before anybody is known who may make one. Clients repeat it. */
export function answerUnready(
  request: IncomingMessage,
  response: ServerResponse,
  reason: string = 'The node is starting, and the cluster has no leader yet.',
): void {
  request.resume();
  response.setHeader('Retry-After', '1');
  refuse(response, 503, 'ServiceUnavailable', reason);
}

/** Answers with a document of S3's kind. `message` is XML already. */
function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  // The body that was announced, or that comes, is not waited for.
  response.setHeader('Connection', 'close');
  const error = `<Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  answer(response, status, 'application/xml', `<?xml version="1.0" encoding="UTF-8"?>\n${error}`);
}

async function answerMetrics(
  response: ServerResponse,
  contentType: string,
  render: () => Promise<string>,
): Promise<void> {
  try {
    answer(response, 200, contentType, await render());
  } catch {
    answer(response, 500, 'text/plain', 'The metrics could not be gathered.\n');
  }
}

function answer(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(text),
    'Cache-Control': 'no-store',
  });
  response.end(text);
}
