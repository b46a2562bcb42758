import { expect, test } from 'vitest';
import { checkPolicy } from '../../src/policy/check-policy.ts';
import { parseBucketPolicy } from '../../src/policy/index.ts';

const check = (text: string): void => checkPolicy(text, parseBucketPolicy(text, 'b'));

function statement(more: object): string {
  const Statement = [
    { Effect: 'Deny', Principal: '*', Action: 's3:*', Resource: 'arn:aws:s3:::b/*', ...more },
  ];
  return JSON.stringify({ Version: '2012-10-17', Statement });
}

const statementsOf = (text: string): readonly object[] =>
  (JSON.parse(text) as { readonly Statement: readonly object[] }).Statement;

test.each([
  '{"Statement":[],"Statement":STATEMENT}',
  '{"Statement":STATEMENT,"Version":"2008-10-17","Version":"2012-10-17"}',
  '{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b","Effect" :"Deny"}}',
  '{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b","Condition":{"StringEquals":{"aws:UserAgent":"a"},"StringEquals":{"aws:Referer":"b"}}}}',
  '{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b","Condition":{"StringEquals":{"aws:Referer":"a","aws:Refere\\u0072":"b"}}}}',
])('a name that is there twice is refused: %s', (text) => {
  const given = text.replace('STATEMENT', JSON.stringify(statementsOf(statement({}))));
  expect(() => check(given)).toThrow('This policy contains invalid Json');
});

test('names of different objects, and texts that look like names, are there once', () => {
  const Condition = { StringEquals: { 'aws:Referer': ['"a":{', '"a":', 'a\\"'] } };
  const [one] = statementsOf(statement({ Sid: '"Sid":"Sid":', Condition }));
  expect(() => check(JSON.stringify({ Statement: [one, one] }, null, 2))).not.toThrow();
});

test.each([
  [{ Principal: { AWS: 'arn:aws:iam::111:user/*' } }, 'Invalid principal in policy'],
  [{ Principal: { AWS: ['111', 'arn:aws:iam::*:root'] } }, 'Invalid principal in policy'],
  [{ Principal: { AWS: '11?' } }, 'Invalid principal in policy'],
  [
    { Principal: undefined, NotPrincipal: { AWS: 'arn:aws:iam::111:user/a*' } },
    'Invalid principal in policy',
  ],
  [{ Resource: 'arn:aws-cn:s3:::b/*' }, 'Policy has invalid resource'],
  [{ Resource: 'arn:aws:s3:eu-west-1::b/*' }, 'Policy has invalid resource'],
  [{ Resource: ['arn:aws:s3:::b', 'arn:aws:s3::111:b/*'] }, 'Policy has invalid resource'],
  [{ Action: 's3:HeadObject' }, 'Policy has invalid action'],
  [
    { Condition: { StringEquals: { 's3:signatureAges': '1' } } },
    'Policy has an invalid condition key',
  ],
])('what would fit nothing is refused: %o', (more, message) => {
  expect(() => check(statement(more))).toThrow(message);
});

const BUCKET = 'arn:aws:s3:::b';
test.each([
  { Action: 's3:GetObject', Resource: BUCKET },
  { Action: 's3:ListBucket', Resource: `${BUCKET}/*` },
  { Action: ['s3:ListBucket', 's3:PutObjectTagging'], Resource: BUCKET },
  { Action: ['s3:GetObject', 's3:GetBucketLocation'], Resource: [`${BUCKET}/a`, `${BUCKET}/b`] },
  { Action: 's3:GetObject*', Resource: BUCKET },
  { Action: 's3:*Upload', Resource: BUCKET },
  { Effect: 'Allow', Action: 's3:ListMultipartUploadParts', Resource: BUCKET },
])('an action on what it is not for is refused: %o', (more) => {
  expect(() => check(statement(more))).toThrow(
    'Action does not apply to any resource(s) in statement',
  );
});

test.each([
  { Action: ['s3:GetObject', 's3:ListBucket'], Resource: [BUCKET, `${BUCKET}/*`] },
  { Action: ['s3:GetObject', 's3:ListBucket'], Resource: `${BUCKET}*` },
  { Action: 's3:Get*', Resource: BUCKET },
  { Action: '*', Resource: `${BUCKET}/k` },
  { Action: 's3:GetObject', Resource: `${BUCKET}?k` },
  { Action: ['s3:GetObject', 's3:ListBucket'], Resource: 'arn:aws:s3:::${aws:username}*' },
  { Action: undefined, NotAction: 's3:GetObject', Resource: BUCKET },
  { Action: 's3:GetObject', Resource: undefined, NotResource: BUCKET },
])('an action on something that it may be for is taken: %o', (more) => {
  expect(() => check(statement(more))).not.toThrow();
});

test.each([
  {},
  { Principal: { AWS: ['*', '111', 'arn:aws:iam::111:root', 'arn:aws:iam::111:user/a/b'] } },
  { Principal: { Service: 'cloudtrail.amazonaws.com' } },
  { Resource: ['arn:aws:s3:::*', 'arn:aws:s3:*:*:b', 'arn:aws:s3:::b'] },
])('what fits something is taken: %o', (more) => {
  expect(() => check(statement(more))).not.toThrow();
});

test.each<[string, string, readonly unknown[], readonly unknown[]]>([
  ['NumericLessThan', 's3:max-keys', [10, '10', '-1.5'], ['0x10', '1e3', 'ten', '', ' 1', true]],
  [
    'DateLessThanIfExists',
    'aws:CurrentTime',
    ['2030-01-01T00:00:00Z', '2030-01-01T00:00:00.5+01:00', '2030-01-01', 1893456000],
    ['2030-01-01T00:00:00', 'Jan 1 2030', '2030-1-1', '01/02/2030', 'soon'],
  ],
  ['Bool', 'aws:SecureTransport', [true, 'True', 'false'], ['yes', 1, '${aws:ViaAWSService}']],
  ['Null', 's3:x-amz-acl', ['true', false], ['no', '']],
  ['NotIpAddress', 'aws:SourceIp', ['192.0.2.0/24', '2001:db8::1'], ['${aws:SourceIp}']],
  ['StringLike', 'aws:Referer', ['0x10', 'yes', 1, '${aws:username}'], []],
  [
    'ArnNotLikeIfExists',
    'aws:PrincipalArn',
    ['arn:aws:iam::111:user/a', 'arn:*:*:*:*:*', '${aws:PrincipalArn}', 'arn:aws:s3:::a:b'],
    ['*', 'arn:*', 'arn:aws:iam::111', 'user/a', ''],
  ],
])('%s of %s compares values of its kind', (operator, key, good, bad) => {
  const given = (value: unknown): string =>
    statement({ Condition: { [operator]: { [key]: value } } });
  for (const value of good) expect(() => check(given(value))).not.toThrow();
  for (const value of bad) expect(() => check(given(value))).toThrow('Invalid policy syntax.');
});
