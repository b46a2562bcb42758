/**
 * Users, policies and requests by chance, sent signed to a whole server: each is allowed, or denied, as the judge says who
 * knows only what AWS documents.
 */
import { invariant } from '@holdfast/bytes';
import { SeededRandom } from '@holdfast/env/memory';
import { parseUserPolicy } from '../src/policy/index.ts';
import { type Asker, type Document, judge } from './policy-judge.ts';
import { BUCKET, documentOf, pick } from './policy-maker.ts';
import { send, succeed } from './raw-client.ts';
import { OWNER_ID, startTestServer, type TestServer } from './test-server.ts';

const SECRET = 'a-secret-of-a-test';
const OTHER_ID = 'b'.repeat(64);
const ROUNDS = 12;
const REQUESTS = 20;
/** Of the objects that are read, with their tags; others are written and deleted. */
const KEYS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'home/user0/k': { class: 'open', Team: 'user0' },
  'home/user1/k': { class: 'secret' },
  'home/${aws:username}/k': {},
  'a*b': { class: 'open or not' },
};
const WRITTEN = ['new/x', 'new/user0', 'new/é'];

/** Who is called what, with the access key that the test gives it. */
type Named = Asker & { readonly accessKey: string };

export async function judgeRun(seed: number): Promise<{ allowed: number; denied: number }> {
  const random = new SeededRandom(seed);
  const askers = [OWNER_ID, OTHER_ID].flatMap((account) => makeAskers(random, account));
  await using server = await startTestServer({
    users: askers.map(({ account, user, accessKey, policies }) => ({
      account: { id: account, displayName: account },
      name: user ?? account,
      accessKeyId: accessKey,
      secretAccessKey: SECRET,
      ...(user !== undefined && {
        policies: policies.map((policy) => parseUserPolicy(JSON.stringify(policy))),
      }),
    })),
  });
  await succeed(server, 'PUT', `/${BUCKET}`);
  for (const [key, tags] of Object.entries(KEYS)) {
    const tagging = new URLSearchParams(tags).toString();
    await succeed(server, 'PUT', pathOf(key), { 'x-amz-tagging': tagging }, 'v');
  }
  const counts = { allowed: 0, denied: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const policy = documentOf(random, askers);
    await succeed(server, 'PUT', `/${BUCKET}?policy`, {}, JSON.stringify(policy));
    for (let index = 0; index < REQUESTS; index++) {
      const asker = random.below(6) === 0 ? undefined : pick(random, askers);
      counts[await compare(server, random, asker, policy)]++;
    }
  }
  return counts;
}

function makeAskers(random: SeededRandom, account: string): Named[] {
  const root = { account, policies: [], accessKey: `ROOT${account.slice(0, 8)}` };
  const users = ['user0', 'user1', 'team:user0'].map((user, index) => ({
    account,
    user,
    accessKey: `USER${index}${account.slice(0, 8)}`,
    policies: Array.from({ length: random.below(3) }, () => documentOf(random, undefined)),
  }));
  return [root, ...users];
}

/** One request, sent and judged. Throws where the two differ. */
async function compare(
  server: TestServer,
  random: SeededRandom,
  asker: Named | undefined,
  bucketPolicy: Document,
): Promise<'allowed' | 'denied'> {
  const kind = pick(random, REQUEST_KINDS);
  const request = kind(random);
  const headers: Record<string, string> = { ...request.headers };
  if (random.below(2) === 0) headers['user-agent'] = pick(random, ['curl', 'Curl', 'aws cli']);
  if (random.below(3) === 0) headers['referer'] = pick(random, ['http://in.example/a', 'x']);
  const { method, path, body } = request;
  const answer = await send(server, {
    method,
    path,
    headers,
    ...(body !== undefined && { body }),
    ...(asker === undefined ? { anonymous: true } : { accessKey: asker.accessKey }),
    secretKey: SECRET,
  });
  const context = { ...contextOf(server, asker, headers), ...request.context };
  const known = { asker, bucketAccount: OWNER_ID, bucketPolicy };
  const wanted =
    request.actions.every((action) =>
      judge({ ...known, action, resource: request.resource, context }),
    ) &&
    (request.besides ?? []).every(({ context: more, ...about }) =>
      judge({ ...known, ...about, context: { ...context, ...more } }),
    );
  const told = JSON.stringify({ asker, request, context, bucketPolicy });
  invariant(
    answer.status < 400 || answer.status === 403,
    `${answer.status} ${answer.code} for ${told}`,
  );
  const allowed = answer.status !== 403;
  invariant(allowed === wanted, `answered ${answer.status}, and should not be: ${told}`);
  return allowed ? 'allowed' : 'denied';
}

type Context = Readonly<Record<string, readonly string[]>>;

/** What is known of every request. */
function contextOf(
  server: TestServer,
  asker: Named | undefined,
  headers: Readonly<Record<string, string>>,
): Context {
  const now = server.clock.nowMs();
  const context: Record<string, readonly string[]> = {
    'aws:sourceip': ['127.0.0.1'],
    'aws:securetransport': ['false'],
    'aws:currenttime': [new Date(now).toISOString()],
    'aws:epochtime': [String(Math.floor(now / 1000))],
    'aws:requestedregion': ['us-east-1'],
    'aws:viaawsservice': ['false'],
    'aws:resourceaccount': [OWNER_ID],
    's3:resourceaccount': [OWNER_ID],
    'aws:principalaccount': [asker?.account ?? 'anonymous'],
    'aws:userid': [asker?.user ?? asker?.account ?? 'anonymous'],
  };
  for (const [header, key] of [
    ['user-agent', 'aws:useragent'],
    ['referer', 'aws:referer'],
  ] as const) {
    const value = headers[header];
    if (value !== undefined) context[key] = [value];
  }
  context['aws:principaltype'] = ['Anonymous'];
  if (asker === undefined) return context;
  const { account, user } = asker;
  const name = user === undefined ? 'root' : `user/${user}`;
  return {
    ...context,
    ...(user !== undefined && { 'aws:username': [user] }),
    'aws:principaltype': [user === undefined ? 'Account' : 'User'],
    'aws:principalarn': [`arn:aws:iam::${account}:${name}`],
    'aws:principalisawsservice': ['false'],
    's3:authtype': ['REST-HEADER'],
    's3:signatureversion': ['AWS4-HMAC-SHA256'],
  };
}

interface JudgedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** All of them must be allowed. */
  readonly actions: readonly string[];
  readonly resource: string;
  readonly context: Context;
  /** And these, of what else it is about, or of what only they know. */
  readonly besides?: readonly {
    readonly action: string;
    readonly resource: string;
    readonly context: Context;
  }[];
}

const pathOf = (key: string, query = ''): string =>
  `/${BUCKET}/${key.split('/').map(encodeURIComponent).join('/').replaceAll('*', '%2A')}${query}`;
const resourceOf = (key: string): string => `arn:aws:s3:::${BUCKET}/${key}`;

const REQUEST_KINDS: readonly ((random: SeededRandom) => JudgedRequest)[] = [
  (random) => reading(random, 's3:GetObject', ''),
  (random) => reading(random, 's3:GetObject', ''),
  (random) => reading(random, 's3:GetObjectVersion', '?versionId=null'),
  (random) => reading(random, 's3:GetObjectTagging', '?tagging='),
  (random) => reading(random, 's3:GetObjectAcl', '?acl='),
  (random) => listing(random, 's3:ListBucket', 'list-type=2'),
  (random) => listing(random, 's3:ListBucketVersions', 'versions='),
  (random) => writing(random),
  (random) => copying(random),
  (random) => tagging(random),
  (random) => {
    const key = pick(random, WRITTEN);
    const about = { method: 'DELETE', path: pathOf(key), resource: resourceOf(key) };
    return { ...about, actions: ['s3:DeleteObject'], context: {} };
  },
  () => ({
    method: 'GET',
    path: `/${BUCKET}?location=`,
    actions: ['s3:GetBucketLocation'],
    resource: `arn:aws:s3:::${BUCKET}`,
    context: {},
  }),
];

function reading(random: SeededRandom, action: string, query: string): JudgedRequest {
  const [key, tags] = pick(random, Object.entries(KEYS));
  return {
    method: 'GET',
    path: pathOf(key, query),
    actions: [action],
    resource: resourceOf(key),
    context: {
      ...tagContext('s3:existingobjecttag', tags),
      ...(query.includes('versionId') && { 's3:versionid': ['null'] }),
    },
  };
}

function listing(random: SeededRandom, action: string, query: string): JudgedRequest {
  const context: Record<string, readonly string[]> = {};
  let path = `/${BUCKET}?${query}`;
  for (const [name, values] of [
    ['prefix', ['', 'home/', 'home/user0/', 'other/']],
    ['delimiter', ['/', '|']],
    ['max-keys', ['1', '10', '1000']],
  ] as const) {
    if (random.below(2) === 0) continue;
    const value = pick(random, values);
    path += `&${name}=${encodeURIComponent(value)}`;
    context[`s3:${name}`] = [value];
  }
  return { method: 'GET', path, actions: [action], resource: `arn:aws:s3:::${BUCKET}`, context };
}

function writing(random: SeededRandom): JudgedRequest {
  const tagged = random.below(2) === 0;
  // Why one that is written once: AWS does not say what a policy knows of tags that are overwritten or deleted.
  const key = tagged ? `new/${random.below(1_000_000_000)}` : pick(random, WRITTEN);
  const headers: Record<string, string> = {};
  const context: Record<string, readonly string[]> = { 's3:objectcreationoperation': ['true'] };
  const actions = ['s3:PutObject'];
  if (random.below(3) === 0) {
    headers['x-amz-storage-class'] = pick(random, ['STANDARD', 'STANDARD_IA']);
    context['s3:x-amz-storage-class'] = [headers['x-amz-storage-class']];
  }
  if (tagged) {
    const tags = tagsOf(random);
    headers['x-amz-tagging'] = new URLSearchParams(tags).toString();
    Object.assign(context, requestTags(tags));
    actions.push('s3:PutObjectTagging');
  }
  const about = { method: 'PUT', path: pathOf(key), resource: resourceOf(key), body: 'v' };
  return { ...about, headers, actions, context };
}

/** Of an object with its tags: they are read there, and written here. */
function copying(random: SeededRandom): JudgedRequest {
  const [from, tags] = pick(random, Object.entries(KEYS));
  const key = `new/${random.below(1_000_000_000)}`;
  const ofSource = {
    resource: resourceOf(from),
    context: tagContext('s3:existingobjecttag', tags),
  };
  const ofTags = [
    { ...ofSource, action: 's3:GetObjectTagging' },
    { action: 's3:PutObjectTagging', resource: resourceOf(key), context: requestTags(tags) },
  ];
  return {
    method: 'PUT',
    path: pathOf(key),
    headers: { 'x-amz-copy-source': pathOf(from) },
    actions: ['s3:PutObject'],
    resource: resourceOf(key),
    context: { 's3:objectcreationoperation': ['true'] },
    besides: [
      { ...ofSource, action: 's3:GetObject' },
      ...(Object.keys(tags).length === 0 ? [] : ofTags),
    ],
  };
}

function tagging(random: SeededRandom): JudgedRequest {
  const [key, tags] = pick(random, Object.entries(KEYS));
  // Those that it has: what comes after is asked about the same.
  const set = Object.entries(tags).map(
    ([name, value]) => `<Tag><Key>${name}</Key><Value>${value}</Value></Tag>`,
  );
  return {
    method: 'PUT',
    path: pathOf(key, '?tagging='),
    body: `<Tagging><TagSet>${set.join('')}</TagSet></Tagging>`,
    actions: ['s3:PutObjectTagging'],
    resource: resourceOf(key),
    context: { ...tagContext('s3:existingobjecttag', tags), ...requestTags(tags) },
  };
}

function tagsOf(random: SeededRandom): Readonly<Record<string, string>> {
  const tags: Record<string, string> = { class: pick(random, ['open', 'secret']) };
  if (random.below(2) === 0) tags['Team'] = pick(random, ['user0', 'user1']);
  return tags;
}

const requestTags = (tags: Readonly<Record<string, string>>): Context => ({
  ...tagContext('s3:requestobjecttag', tags),
  's3:requestobjecttagkeys': Object.keys(tags),
});

function tagContext(key: string, tags: Readonly<Record<string, string>>): Context {
  return Object.fromEntries(
    Object.entries(tags).map(([name, value]) => [`${key}/${name}`, [value]]),
  );
}
