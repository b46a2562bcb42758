import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  isPublicPolicy,
  PolicyError,
  parseBucketPolicy,
  parseUserPolicy,
} from '../../src/policy/index.ts';

const STATEMENT = {
  Effect: 'Allow',
  Principal: '*',
  Action: 's3:GetObject',
  Resource: 'arn:aws:s3:::b/*',
};

function document(change: object, statement: object = {}): string {
  const Statement = [{ ...STATEMENT, ...statement }];
  return JSON.stringify({ Version: '2012-10-17', Statement, ...change });
}

const withoutField = (field: string): string => document({}, { [field]: undefined });

const MALFORMED: readonly (readonly [string, string])[] = [
  ['', "Policies must be valid JSON and the first byte must be '{'"],
  ['{"Statement":', "Policies must be valid JSON and the first byte must be '{'"],
  [` ${document({})}`, "Policies must be valid JSON and the first byte must be '{'"],
  [document({ Version: '2020-01-01' }), 'The policy must contain a valid version string'],
  [document({ Statement: undefined }), 'Missing required field Statement'],
  [document({ Statement: [] }), 'Could not parse the policy: Statement is empty!'],
  [document({ Extra: 1 }), 'Unknown field Extra'],
  [document({}, { Extra: 1 }), 'Unknown field Extra'],
  [withoutField('Effect'), 'Missing required field Effect'],
  [document({}, { Effect: 'Perhaps' }), 'Invalid effect : Perhaps'],
  [withoutField('Principal'), 'Missing required field Principal'],
  [document({}, { Principal: 'me' }), 'Invalid principal in policy'],
  [document({}, { Principal: { AWS: [] } }), 'Invalid principal in policy'],
  [document({}, { Principal: { AWS: 'arn:aws:iam::1:group/x' } }), 'Invalid principal in policy'],
  [document({}, { Principal: { Other: 'x' } }), 'Invalid principal in policy'],
  [
    document({}, { Principal: undefined, NotPrincipal: { AWS: '111' } }),
    'Allow with NotPrincipal is not allowed.',
  ],
  [withoutField('Action'), 'Missing required field Action'],
  [document({}, { Action: 'ec2:Run' }), 'Policy has invalid action'],
  [document({}, { NotAction: 's3:Put*' }), 'Statement has both Action and NotAction'],
  [withoutField('Resource'), 'Missing required field Resource'],
  [document({}, { Resource: 'b/*' }), 'Policy has invalid resource'],
  [document({}, { Resource: 'arn:aws:s3:::other/*' }), 'Policy has invalid resource'],
  [document({}, { Resource: 3 }), 'Invalid policy syntax.'],
  [document({}, { Condition: { Like: { 'aws:x': 'y' } } }), 'Invalid Condition type : Like'],
  [
    document({}, { Condition: { NullIfExists: { 'aws:x': 'y' } } }),
    'Invalid Condition type : NullIfExists',
  ],
  [document({}, { Condition: { StringLike: { x: 'y' } } }), 'Policy has an invalid condition key'],
  [document({}, { Condition: { StringLike: { 'aws:x': {} } } }), 'Invalid policy syntax.'],
  [
    document({}, { Condition: { IpAddress: { 'aws:SourceIp': '300.1.1.1' } } }),
    'Invalid policy syntax.',
  ],
];

test.each(MALFORMED)('%s is refused: %s', (text, message) => {
  const refused = (): unknown => parseBucketPolicy(text, 'b');
  expect(refused).toThrow(PolicyError);
  expect(refused).toThrow(message);
});

test('the policy of a user has no principal', () => {
  expect(() => parseUserPolicy(document({}))).toThrow(PolicyError);
  expect(parseUserPolicy(withoutField('Principal')).statements).toHaveLength(1);
});

test('whatever is given, it is a policy or refused as one', () => {
  fc.assert(
    fc.property(fc.json(), fc.jsonValue(), (text, value) => {
      for (const given of [
        text,
        document({}, { Condition: value }),
        document({ Statement: value }),
      ]) {
        try {
          parseBucketPolicy(given, 'b');
        } catch (error) {
          expect(error).toBeInstanceOf(PolicyError);
        }
      }
    }),
  );
});

const PUBLIC: readonly (readonly [object, boolean])[] = [
  [{}, true],
  [{ Effect: 'Deny' }, false],
  [{ Principal: { AWS: ['111', '*'] } }, true],
  [{ Principal: { AWS: 'arn:aws:iam::111:root' } }, false],
  [{ Condition: { IpAddress: { 'aws:SourceIp': '10.0.0.0/32' } } }, false],
  [{ Condition: { IpAddress: { 'aws:SourceIp': '0.0.0.0/0' } } }, true],
  [
    { Condition: { IpAddress: { 'aws:SourceIp': ['192.0.2.1', '0.0.0.0/1', '128.0.0.0/1'] } } },
    true,
  ],
  [{ Condition: { IpAddress: { 'aws:SourceIp': '10.0.0.0/7' } } }, true],
  [{ Condition: { IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } } }, false],
  [{ Condition: { IpAddress: { 'aws:SourceIp': '::ffff:10.0.0.0/7' } } }, true],
  [{ Condition: { IpAddress: { 'aws:SourceIp': '2001:db8::/31' } } }, true],
  [{ Condition: { IpAddress: { 'aws:SourceIp': '2001:db8::/32' } } }, false],
  [{ Condition: { IpAddress: { 'aws:SourceIp': ['192.0.2.1', '2001:db8::1'] } } }, false],
  [{ Condition: { NotIpAddress: { 'aws:SourceIp': '10.0.0.0/32' } } }, true],
  [{ Condition: { StringLike: { 'aws:Referer': 'http://x/*' } } }, true],
  [{ Condition: { StringEquals: { 'aws:PrincipalOrgID': 'o-1' } } }, false],
  [{ Condition: { StringLike: { 'aws:PrincipalOrgID': 'o-*' } } }, true],
  [{ Condition: { StringEqualsIfExists: { 'aws:PrincipalOrgID': 'o-1' } } }, true],
  // Who did not sign has a name, too.
  [{ Condition: { StringEquals: { 'aws:userid': ['alice', 'anonymous'] } } }, true],
  [{ Condition: { StringEqualsIgnoreCase: { 'aws:UserId': 'ANONYMOUS' } } }, true],
  [{ Condition: { StringLike: { 'aws:PrincipalAccount': 'anonymous' } } }, true],
  [{ Condition: { StringEquals: { 'aws:userid': 'alice' } } }, false],
  [{ Condition: { StringEquals: { 'aws:PrincipalAccount': '111' } } }, false],
];

test.each(PUBLIC)('a policy with %o is public: %s', (statement, wanted) => {
  expect(isPublicPolicy(parseBucketPolicy(document({}, statement), 'b'))).toBe(wanted);
});
