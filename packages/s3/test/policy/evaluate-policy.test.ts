import { expect, test } from 'vitest';
import {
  evaluatePolicies,
  type PolicyRequest,
  type Principal,
  parseBucketPolicy,
  parseUserPolicy,
  type Verdict,
} from '../../src/policy/index.ts';

const ALICE: Principal = { accountId: '111', root: false, name: 'alice' };
const ROOT: Principal = { accountId: '111', root: true, name: '111' };

interface Asked {
  readonly by?: Principal | undefined;
  readonly action?: string;
  readonly resource?: string;
  readonly context?: Readonly<Record<string, string | readonly string[]>>;
}

function request(asked: Asked): PolicyRequest {
  const values = new Map(
    Object.entries(asked.context ?? {}).map(([key, value]) => [
      key.toLowerCase(),
      typeof value === 'string' ? [value] : value,
    ]),
  );
  return {
    principal: 'by' in asked ? asked.by : ALICE,
    action: asked.action ?? 's3:GetObject',
    resource: `arn:aws:s3:::${asked.resource ?? 'b/k'}`,
    context: (key) => values.get(key.toLowerCase()),
  };
}

/** A statement that allows everyone everything, but for what the case says. */
function verdict(statements: object | readonly object[], asked: Asked = {}): Verdict {
  const list = Array.isArray(statements) ? statements : [statements];
  const filled = list.map((statement: object) => ({
    Effect: 'Allow',
    ...('NotPrincipal' in statement ? {} : { Principal: '*' }),
    ...('NotAction' in statement ? {} : { Action: 's3:*' }),
    ...('NotResource' in statement ? {} : { Resource: 'arn:aws:s3:::b/*' }),
    ...statement,
  }));
  const text = JSON.stringify({ Version: '2012-10-17', Statement: filled });
  return evaluatePolicies([parseBucketPolicy(text, 'b')], request(asked));
}

type Case = readonly [string, object | readonly object[], Asked, Verdict];

const CASES: readonly Case[] = [
  ['allows', {}, {}, 'allow'],
  ['is silent about another bucket', {}, { resource: 'c/k' }, 'silent'],
  ['is silent about the bucket itself', {}, { resource: 'b' }, 'silent'],
  ['denies whatever else allows', [{}, { Effect: 'Deny' }], {}, 'deny'],
  ['denies before it allows', [{ Effect: 'Deny' }, {}], {}, 'deny'],
  ['denies only what it names', [{}, { Effect: 'Deny', Action: 's3:PutObject' }], {}, 'allow'],
  ['compares actions without case', { Action: 'S3:getobject' }, {}, 'allow'],
  ['matches actions with wildcards', { Action: 's3:Get?bject' }, {}, 'allow'],
  ['has other actions', { Action: ['s3:Put*', 's3:Delete*'] }, {}, 'silent'],
  ['has all actions but', { NotAction: 's3:Put*' }, {}, 'allow'],
  ['has not the action that it leaves out', { NotAction: 's3:Get*' }, {}, 'silent'],
  ['has a prefix', { Resource: 'arn:aws:s3:::b/p/*' }, { resource: 'b/p/q/r' }, 'allow'],
  ['has no other prefix', { Resource: 'arn:aws:s3:::b/p/*' }, { resource: 'b/q/p/r' }, 'silent'],
  ['compares resources with case', { Resource: 'arn:aws:s3:::b/K' }, {}, 'silent'],
  ['has all resources but', { NotResource: 'arn:aws:s3:::b/x*' }, {}, 'allow'],
  ['has not the resource that it leaves out', { NotResource: 'arn:aws:s3:::b/k' }, {}, 'silent'],
  ['lets everyone in, also nobody', {}, { by: undefined }, 'allow'],
  ['names everyone in AWS', { Principal: { AWS: '*' } }, { by: undefined }, 'allow'],
  ['names a user', { Principal: { AWS: 'arn:aws:iam::111:user/alice' } }, {}, 'allow'],
  ['names a user in a path', { Principal: { AWS: 'arn:aws:iam::111:user/p/alice' } }, {}, 'allow'],
  ['names another user', { Principal: { AWS: 'arn:aws:iam::111:user/bob' } }, {}, 'silent'],
  ['names a user elsewhere', { Principal: { AWS: 'arn:aws:iam::2:user/alice' } }, {}, 'silent'],
  ['names the account of a user', { Principal: { AWS: 'arn:aws:iam::111:root' } }, {}, 'delegate'],
  ['names an account', { Principal: { AWS: '111' } }, { by: ROOT }, 'allow'],
  ['names a canonical user', { Principal: { CanonicalUser: '111' } }, { by: ROOT }, 'allow'],
  ['names an account, not nobody', { Principal: { AWS: '111' } }, { by: undefined }, 'silent'],
  ['names a service', { Principal: { Service: 'logging.s3.amazonaws.com' } }, {}, 'silent'],
  [
    'denies all but one',
    [{}, { Effect: 'Deny', NotPrincipal: { AWS: 'arn:aws:iam::111:user/alice' } }],
    {},
    'allow',
  ],
  [
    'denies who is not the one',
    [{}, { Effect: 'Deny', NotPrincipal: { AWS: 'arn:aws:iam::111:user/bob' } }],
    {},
    'deny',
  ],
  [
    'denies the users of an account of which it spares the root',
    [{}, { Effect: 'Deny', NotPrincipal: { AWS: ['arn:aws:iam::111:root'] } }],
    {},
    'deny',
  ],
  ['denies an account', { Effect: 'Deny', Principal: { AWS: '111' } }, {}, 'deny'],
];

test.each(CASES)('a policy %s', (_name, statements, asked, wanted) => {
  expect(verdict(statements, asked)).toBe(wanted);
});

type ConditionCase = readonly [
  string,
  Readonly<Record<string, unknown>>,
  NonNullable<Asked['context']>,
  boolean,
];

const IP = 'aws:SourceIp';
const TAG = 's3:ExistingObjectTag/a';
const arns = (operator: string, wanted: string, found: string, holds: boolean): ConditionCase => [
  operator,
  { 'aws:SourceArn': wanted },
  { 'aws:SourceArn': found },
  holds,
];

const CONDITIONS: readonly ConditionCase[] = [
  ['StringEquals', { 's3:prefix': 'a' }, { 's3:prefix': 'a' }, true],
  ['StringEquals', { 's3:prefix': 'a' }, { 's3:prefix': 'A' }, false],
  ['StringEquals', { 's3:prefix': ['x', 'a'] }, { 's3:prefix': 'a' }, true],
  ['StringEquals', { 's3:prefix': 'a' }, {}, false],
  ['StringEquals', { 'S3:PREFIX': 'a' }, { 's3:prefix': 'a' }, true],
  ['StringEquals', { 's3:prefix': '*' }, { 's3:prefix': 'a' }, false],
  ['StringEqualsIfExists', { 's3:prefix': 'a' }, {}, true],
  ['StringEqualsIfExists', { 's3:prefix': 'a' }, { 's3:prefix': 'b' }, false],
  ['StringNotEquals', { 's3:prefix': 'a' }, { 's3:prefix': 'b' }, true],
  ['StringNotEquals', { 's3:prefix': ['a', 'b'] }, { 's3:prefix': 'b' }, false],
  ['StringNotEquals', { 's3:prefix': 'a' }, {}, true],
  ['StringEqualsIgnoreCase', { 's3:prefix': 'A' }, { 's3:prefix': 'a' }, true],
  ['StringNotEqualsIgnoreCase', { 's3:prefix': 'A' }, { 's3:prefix': 'a' }, false],
  ['StringLike', { 'aws:Referer': 'http://*.x/?' }, { 'aws:Referer': 'http://a.x/b' }, true],
  ['StringLike', { 'aws:Referer': 'http://*.x/?' }, { 'aws:Referer': 'http://a.x/bc' }, false],
  ['StringNotLike', { 'aws:UserAgent': 'curl*' }, { 'aws:UserAgent': 'aws-cli' }, true],
  ['StringNotLike', { 'aws:UserAgent': 'curl*' }, { 'aws:UserAgent': 'curl/8' }, false],
  [
    'StringLike',
    { 's3:prefix': '${aws:username}/*' },
    { 'aws:username': 'al', 's3:prefix': 'al/x' },
    true,
  ],
  [
    'StringLike',
    { 's3:prefix': '${aws:username}/*' },
    { 'aws:username': '*', 's3:prefix': 'al/x' },
    false,
  ],
  ['StringEquals', { 's3:prefix': '${aws:username}' }, { 's3:prefix': '' }, false],
  ['StringEquals', { 's3:prefix': 'a${*}' }, { 's3:prefix': 'a*' }, true],
  ['NumericLessThanEquals', { 's3:max-keys': '10' }, { 's3:max-keys': '10' }, true],
  ['NumericLessThan', { 's3:max-keys': 10 }, { 's3:max-keys': '10' }, false],
  ['NumericGreaterThan', { 's3:max-keys': '9' }, { 's3:max-keys': '10' }, true],
  ['NumericNotEquals', { 's3:max-keys': '9' }, { 's3:max-keys': 'nine' }, true],
  ['NumericEquals', { 's3:max-keys': '0' }, { 's3:max-keys': '' }, false],
  [
    'DateGreaterThan',
    { 'aws:CurrentTime': '2026-01-01T00:00:00Z' },
    { 'aws:CurrentTime': '2026-06-01T00:00:00Z' },
    true,
  ],
  ['DateLessThan', { 'aws:EpochTime': '1767225600' }, { 'aws:EpochTime': '1767225599' }, true],
  ['Bool', { 'aws:SecureTransport': 'true' }, { 'aws:SecureTransport': 'true' }, true],
  ['Bool', { 'aws:SecureTransport': true }, { 'aws:SecureTransport': 'false' }, false],
  ['IpAddress', { [IP]: '192.0.2.0/24' }, { [IP]: '192.0.2.77' }, true],
  ['IpAddress', { [IP]: '192.0.2.0/24' }, { [IP]: '192.0.3.1' }, false],
  ['IpAddress', { [IP]: '192.0.2.1' }, { [IP]: '::ffff:192.0.2.1' }, true],
  ['IpAddress', { [IP]: '2001:db8::/32' }, { [IP]: '2001:db8:1::1' }, true],
  ['IpAddress', { [IP]: '2001:db8::/32' }, { [IP]: '192.0.2.1' }, false],
  ['IpAddress', { [IP]: '0.0.0.0/0' }, { [IP]: '203.0.113.9' }, true],
  ['NotIpAddress', { [IP]: ['192.0.2.0/24', '10.0.0.0/8'] }, { [IP]: '10.1.2.3' }, false],
  ['NotIpAddress', { [IP]: '192.0.2.0/24' }, { [IP]: '10.1.2.3' }, true],
  ['ArnLike', { 'aws:SourceArn': 'arn:aws:s3:::b*' }, { 'aws:SourceArn': 'arn:aws:s3:::bc' }, true],
  // Each part of an ARN for itself, and the last one with its colons.
  ...(['ArnLike', 'ArnEquals'] as const).flatMap((operator) => [
    arns(operator, 'arn:aws:sns:*:1:t', 'arn:aws:sns:eu-west-1:1:t', true),
    arns(operator, 'arn:aws:sns:*:1:t:*', 'arn:aws:sns:eu-west-1:1:t:u:v', true),
    arns(operator, 'arn:aws:sns:*:t', 'arn:aws:sns:eu-west-1:1:t', false),
    arns(operator, 'arn:aws:sns:*:1:t', 'arn:aws:sns:eu:2:1:t', false),
    arns(operator, 'arn:aws:sns:eu?1:1:t', 'arn:aws:sns:eu:1:1:t', false),
    arns(operator, 'arn:*', 'arn:aws:sns:eu-west-1:1:t', false),
    arns(operator, '*', 'arn:aws:sns:eu-west-1:1:t', false),
    arns(operator, 'arn:*:*:*:*:*', 'arn:aws:sns:eu-west-1:1:t', true),
    arns(operator, 'arn:*:*:*:*:*', 'arn:aws:sns:eu-west-1:t', false),
  ]),
  arns('ArnNotLike', 'arn:aws:sns:*:1:t', 'arn:aws:sns:eu:2:1:t', true),
  arns('ArnNotEquals', 'arn:aws:sns:*:1:t', 'arn:aws:sns:eu:1:t', false),
  [
    'ArnNotEquals',
    { 'aws:SourceArn': 'arn:aws:s3:::b' },
    { 'aws:SourceArn': 'arn:aws:s3:::b' },
    false,
  ],
  ['BinaryEquals', { 's3:x': 'QUI=' }, { 's3:x': 'QUI=' }, true],
  ['Null', { 's3:VersionId': 'true' }, {}, true],
  ['Null', { 's3:VersionId': 'true' }, { 's3:VersionId': 'v' }, false],
  ['Null', { 's3:VersionId': false }, { 's3:VersionId': 'v' }, true],
  ['StringEquals', { [TAG]: 'x' }, { [TAG]: 'x' }, true],
  [
    'ForAnyValue:StringEquals',
    { 's3:RequestObjectTagKeys': ['a', 'b'] },
    { 's3:RequestObjectTagKeys': ['c', 'b'] },
    true,
  ],
  ['ForAnyValue:StringEquals', { 's3:RequestObjectTagKeys': 'a' }, {}, false],
  [
    'ForAllValues:StringEquals',
    { 's3:RequestObjectTagKeys': ['a', 'b'] },
    { 's3:RequestObjectTagKeys': ['c', 'b'] },
    false,
  ],
  [
    'ForAllValues:StringEquals',
    { 's3:RequestObjectTagKeys': ['a', 'b'] },
    { 's3:RequestObjectTagKeys': ['b'] },
    true,
  ],
  ['ForAllValues:StringEquals', { 's3:RequestObjectTagKeys': 'a' }, {}, true],
  [
    'ForAnyValue:StringNotEquals',
    { 's3:RequestObjectTagKeys': 'a' },
    { 's3:RequestObjectTagKeys': ['a', 'c'] },
    true,
  ],
];

test.each(CONDITIONS)('condition %s %o on %o: %s', (operator, keys, context, holds) => {
  const wanted = holds ? 'allow' : 'silent';
  expect(verdict({ Condition: { [operator]: keys } }, { context })).toBe(wanted);
});

test('all operators and keys of a condition must hold', () => {
  const Condition = {
    StringEquals: { 's3:prefix': 'a', 's3:delimiter': '/' },
    Bool: { 'aws:SecureTransport': 'true' },
  };
  const context = { 's3:prefix': 'a', 's3:delimiter': '/', 'aws:SecureTransport': 'true' };
  expect(verdict({ Condition }, { context })).toBe('allow');
  for (const key of Object.keys(context)) {
    expect(verdict({ Condition }, { context: { ...context, [key]: 'x' } })).toBe('silent');
  }
});

test('a variable in a resource is the user’s, character for character', () => {
  const Statement = [
    { Effect: 'Allow', Action: '*', Resource: 'arn:aws:s3:::b/area/${aws:username}/*' },
  ];
  const policy = parseUserPolicy(JSON.stringify({ Version: '2012-10-17', Statement }));
  const ask = (name: string, resource: string): Verdict =>
    evaluatePolicies([policy], request({ resource, context: { 'aws:username': name } }));
  expect(ask('alice', 'b/area/alice/x')).toBe('allow');
  expect(ask('*', 'b/area/alice/x')).toBe('silent');
  expect(evaluatePolicies([policy], request({ resource: 'b/area//x' }))).toBe('silent');
});

test('a pattern made to be slow is not', () => {
  const Resource = `arn:aws:s3:::b/${'*a'.repeat(400)}b`;
  const resource = `b/${'a'.repeat(1000)}`;
  expect(verdict({ Resource }, { resource })).toBe('silent');
});

const NAMED = 'arn:aws:s3:::b/${aws:username}/*';
const TEAM = "arn:aws:s3:::b/${aws:PrincipalTag/team, 'all'}/*";

test.each([
  [undefined, NAMED, 'b/${aws:username}/k', 'allow'],
  ['2008-10-17', NAMED, 'b/${aws:username}/k', 'allow'],
  ['2008-10-17', NAMED, 'b/alice/k', 'silent'],
  ['2008-10-17', 'arn:aws:s3:::b/${*}', 'b/${ab}', 'allow'],
  ['2012-10-17', NAMED, 'b/alice/k', 'allow'],
  ['2012-10-17', NAMED, 'b/${aws:username}/k', 'silent'],
  ['2012-10-17', TEAM, 'b/all/k', 'allow'],
  ['2012-10-17', TEAM, 'b/blue/k', 'silent'],
  ['2012-10-17', "arn:aws:s3:::b/${aws:username,'x*'}/*", 'b/alice/k', 'allow'],
  ['2012-10-17', "arn:aws:s3:::b/${aws:PrincipalTag/team,'x*'}/k", 'b/x*/k', 'allow'],
  ['2012-10-17', "arn:aws:s3:::b/${aws:PrincipalTag/team,'x*'}/k", 'b/xy/k', 'silent'],
  ['2012-10-17', "arn:aws:s3:::b/${aws:PrincipalTag/team, ''}k", 'b/k', 'allow'],
  ['2012-10-17', "arn:aws:s3:::b/${aws:PrincipalTag/a, b, '}'}", 'b/}', 'allow'],
  ['2012-10-17', 'arn:aws:s3:::b/${$}{${?}${*}}', 'b/${?*}', 'allow'],
])('in a policy of version %s %s is %s: %s', (Version, Resource, resource, wanted) => {
  const Statement = { Effect: 'Allow', Principal: '*', Action: 's3:*', Resource };
  const policy = parseBucketPolicy(JSON.stringify({ Version, Statement }), 'b');
  const asked = request({ resource, context: { 'aws:username': 'alice' } });
  expect(evaluatePolicies([policy], asked)).toBe(wanted);
});

test('conditions of a policy of 2008 have no variables either', () => {
  const Condition = { StringLike: { 's3:prefix': '${aws:username}/*' } };
  const Statement = { Effect: 'Allow', Action: 's3:*', Resource: '*', Condition };
  const policy = parseUserPolicy(JSON.stringify({ Statement }));
  const ask = (prefix: string): Verdict =>
    evaluatePolicies(
      [policy],
      request({ context: { 'aws:username': 'alice', 's3:prefix': prefix } }),
    );
  expect(ask('alice/x')).toBe('silent');
  expect(ask('${aws:username}/x')).toBe('allow');
});

test.each([
  ['alice', 'user/alice', 'deny'],
  ['alice', 'user/team/alice', 'deny'],
  ['team/alice', 'user/team/alice', 'deny'],
  ['team/alice', 'user/alice', 'silent'],
  ['other/alice', 'user/team/alice', 'silent'],
])('of the user %s a statement about %s is: %s', (name, named, wanted) => {
  const Principal = { AWS: `arn:aws:iam::111:${named}` };
  const by = { accountId: '111', root: false, name };
  expect(verdict({ Effect: 'Deny', Principal }, { by })).toBe(wanted);
});
