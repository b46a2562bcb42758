/** Operations by chance on a bucket with versions, each sent to a whole server and to a model. Throws where the two differ. */
import { invariant } from '@holdfast/bytes';
import { SeededRandom } from '@holdfast/env/memory';
import { BucketModel, type ModelVersion, rowOf } from './bucket-model.ts';
import { type RawAnswer, type RawRequest, send } from './raw-client.ts';
import { startTestServer, type TestServer } from './test-server.ts';

const BUCKET = '/model';
/** Prefixes of one another, and on both sides of what UTF-16 sorts otherwise than UTF-8. */
const KEYS = ['a', 'a/', 'a//', 'a/b', 'a\u{ffff}', 'a\u{10000}', 'b'];
const STEPS = 150;

interface Run {
  readonly random: SeededRandom;
  readonly server: TestServer;
  readonly model: BucketModel;
  /** Every version id so far. */
  readonly ids: Set<string>;
}

type Step = (run: Run, key: string) => Promise<void>;
const STEPS_BY_CHANCE: readonly Step[] = [
  put,
  put,
  put,
  copy,
  copy,
  remove,
  remove,
  tag,
  read,
  list,
];

export async function modelRun(seed: number): Promise<void> {
  await using server = await startTestServer();
  const random = new SeededRandom(seed);
  const run: Run = { random, server, model: new BucketModel(), ids: new Set() };
  await ask(run, { method: 'PUT', path: BUCKET }, '200');
  for (let step = 0; step < STEPS; step++) {
    if (random.below(20) === 0) await setVersioning(run);
    await pick(run, STEPS_BY_CHANCE)(run, pick(run, KEYS));
  }
  await list(run);
}

async function setVersioning(run: Run): Promise<void> {
  const status = pick(run, ['Enabled', 'Suspended'] as const);
  const body = `<VersioningConfiguration><Status>${status}</Status></VersioningConfiguration>`;
  await ask(run, { method: 'PUT', path: `${BUCKET}?versioning`, body }, '200');
  run.model.versioning = status;
}

async function put(run: Run, key: string): Promise<void> {
  const body = `body ${run.random.below(1000)}`;
  const headers = conditionsOf(run, key);
  const wanted = run.model.refusalOfWrite(key, headers) || '200';
  const answer = await ask(run, { method: 'PUT', path: pathOf(key), headers, body }, wanted);
  if (wanted === '200') keep(run, key, answer, body);
}

async function copy(run: Run, key: string): Promise<void> {
  const sourceKey = pick(run, KEYS);
  const id = someId(run, sourceKey);
  const found = run.model.find(sourceKey, id);
  const headers = {
    'x-amz-copy-source': pathOf(sourceKey, id),
    'x-amz-metadata-directive': 'REPLACE',
  };
  const ofMarker = found === '405 MethodNotAllowed' ? '400 InvalidRequest' : found;
  const wanted = typeof ofMarker === 'string' ? ofMarker : '200';
  const answer = await ask(run, { method: 'PUT', path: pathOf(key), headers }, wanted);
  if (typeof found !== 'string') keep(run, key, answer, found.body);
}

async function remove(run: Run, key: string): Promise<void> {
  const { model } = run;
  const id = someId(run, key);
  const removed = model.versionsOf(key).find((version) => version.id === id);
  const { headers } = await ask(run, { method: 'DELETE', path: pathOf(key, id) }, '204');
  const isMarker = headers['x-amz-delete-marker'] === 'true';
  if (id !== undefined) {
    same(run, headers['x-amz-version-id'], id);
    same(run, isMarker, removed !== undefined && removed.body === undefined);
    model.remove(key, id);
    return;
  }
  same(run, isMarker, model.versioning !== '');
  const made = { id: idOf(run, headers['x-amz-version-id']), body: undefined, etag: '' };
  model.add(key, made);
  if (model.versioning === '') model.remove(key, 'null');
}

/** Also what a delete marker hides is there to be changed, and refuses it. */
async function tag(run: Run, key: string): Promise<void> {
  const id = someId(run, key);
  const found = run.model.find(key, id, true);
  const path = `${pathOf(key, id)}${id === undefined ? '?' : '&'}tagging`;
  await ask(run, { method: 'DELETE', path }, typeof found === 'string' ? found : '204');
}

async function read(run: Run, key: string): Promise<void> {
  const id = someId(run, key);
  const found = run.model.find(key, id);
  const request = { method: 'GET', path: pathOf(key, id) };
  const answer = await ask(run, request, typeof found === 'string' ? found : '200');
  if (typeof found !== 'string') same(run, answer.body, found.body);
}

/** All versions, by pages of one to three. */
async function list(run: Run): Promise<void> {
  const rows: string[] = [];
  const first = `${BUCKET}?versions&encoding-type=url&max-keys=${1 + run.random.below(3)}`;
  for (let path: string | undefined = first; path !== undefined; ) {
    const page = await ask(run, { method: 'GET', path }, '200');
    rows.push(...rowsOf(page));
    const key = page.element('NextKeyMarker');
    const id = page.element('NextVersionIdMarker');
    path = key && `${first}&key-marker=${key.replaceAll('/', '%2F')}&version-id-marker=${id}`;
  }
  same(run, rows.join('\n'), run.model.rows().join('\n'));
}

function rowsOf({ body }: RawAnswer): string[] {
  const found = body.matchAll(
    /<(Version|DeleteMarker)><Key>(.*?)<\/Key><VersionId>(.*?)<\/VersionId><IsLatest>(.*?)</g,
  );
  return [...found].map(([, kind, key = '', id = '', latest]) =>
    rowOf(decodeURIComponent(key), id, kind === 'DeleteMarker', latest === 'true'),
  );
}

async function ask(run: Run, request: RawRequest, wanted: string): Promise<RawAnswer> {
  const answer = await send(run.server, request);
  const found = answer.status < 300 ? `${answer.status}` : `${answer.status} ${answer.code}`;
  invariant(found === wanted, `${request.method} ${request.path}: ${found}, not ${wanted}`);
  return answer;
}

/** The version that an answer tells of is the latest now. */
function keep(run: Run, key: string, answer: RawAnswer, body: string | undefined): void {
  const etag = answer.headers.etag ?? answer.element('ETag')?.replaceAll('&quot;', '"') ?? '';
  const version: ModelVersion = { id: idOf(run, answer.headers['x-amz-version-id']), body, etag };
  run.model.add(key, version);
}

/** The id in an answer: a new one where versioning is on, else that of the null version or none. */
function idOf({ model, ids }: Run, header: string | string[] | undefined): string {
  const id = String(header ?? 'null');
  const isNew = id !== 'null' && !ids.has(id);
  invariant(isNew === (model.versioning === 'Enabled'), `${id} with ${model.versioning}`);
  ids.add(id);
  return id;
}

function conditionsOf(run: Run, key: string): Record<string, string> {
  const chance = run.random.below(4);
  if (chance === 0) return { 'if-none-match': '*' };
  if (chance > 1) return {};
  const versions = [...run.model.versionsOf(key), { etag: '"other"' }];
  const { etag } = pick(run, versions);
  return { 'if-match': etag || '"other"' };
}

/** No id, one that the key has, one that another key may have, or that of the null version. */
function someId(run: Run, key: string): string | undefined {
  const own = run.model.versionsOf(key).map(({ id }) => id);
  return pick(run, [
    undefined,
    undefined,
    pick(run, ['null', ...own]),
    pick(run, ['null', ...run.ids]),
  ]);
}

function pathOf(key: string, id?: string): string {
  const path = `${BUCKET}/${encodeURIComponent(key).replaceAll('%2F', '/')}`;
  return id === undefined ? path : `${path}?versionId=${id}`;
}

function same(run: Run, found: unknown, wanted: unknown): void {
  const told = JSON.stringify({ versioning: run.model.versioning, found, wanted });
  invariant(found === wanted, `the server and the model differ: ${told}`);
}

function pick<Item>({ random }: Run, items: readonly Item[]): Item {
  return items[random.below(items.length)] as Item;
}
