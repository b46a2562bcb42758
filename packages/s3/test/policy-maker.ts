/** Policies by chance, of what the requests of `judge-run.ts` are about. */
import type { SeededRandom } from '@holdfast/env/memory';
import type { Asker, Document } from './policy-judge.ts';

export const BUCKET = 'judged';

/** What the resources of a bucket policy's statement must have, so that each of its actions is for one of them. */
type Kind = 'any' | 'bucket' | 'objects' | 'both';
const ACTIONS: readonly (readonly [Kind, ...string[]])[] = [
  ['any', 's3:*'],
  ['any', '*'],
  ['any', 's3:Get*'],
  ['objects', 'S3:getobject', 's3:PUTOBJECT'],
  ['both', 's3:GetObject', 's3:ListBucket'],
  ['any', 's3:*Tagging'],
  ['objects', 's3:?etObject*'],
  ['objects', 's3:Put*', 's3:DeleteObject'],
  ['bucket', 's3:List*', 's3:GetBucketLocation'],
];
const RESOURCES = [
  ['*'],
  ['', '/*'],
  ['/*'],
  [''],
  ['/home/*', '/new/?'],
  ['/home/${aws:username}/*'],
  ["/home/${aws:PrincipalTag/team, 'user0'}/*"],
  ['/*/k'],
  ['/a${*}b', '/new/*'],
  ['/new/${aws:username}', ''],
];

/** Operators with a key and the values of which some are given. */
const CONDITIONS: readonly (readonly [readonly string[], string, readonly unknown[]])[] = [
  [
    ['StringEquals', 'StringNotEquals', 'StringLike', 'StringNotLike', 'StringEqualsIgnoreCase'],
    'aws:UserAgent',
    ['curl', 'CURL', 'c?rl', 'aws*', 'cur${aws:username}'],
  ],
  [
    ['StringLike', 'StringNotLike', 'StringLikeIfExists', 'StringNotLikeIfExists'],
    'aws:Referer',
    ['http://in.example/*', '?', '${?}'],
  ],
  [
    ['StringEquals', 'StringNotEquals', 'StringEqualsIfExists', 'StringLike'],
    'aws:username',
    ['user0', 'user1', 'user*', '${aws:userid}'],
  ],
  [
    ['StringEquals', 'StringNotEquals'],
    'AWS:UserId',
    ['team:user0', 'anonymous', '${aws:username}'],
  ],
  [
    ['StringEquals', 'StringNotEqualsIgnoreCase'],
    'aws:PrincipalType',
    ['User', 'account', 'Anonymous'],
  ],
  [
    ['ArnLike', 'ArnNotLike', 'ArnEquals', 'ArnNotEquals'],
    'aws:PrincipalArn',
    [
      'arn:aws:iam::*:user/user0',
      'arn:aws:iam::*:root',
      'arn:aws:iam::*:user/${aws:username}',
      'arn:aws:iam:*:*:user/user?',
      'arn:aws:iam::*:user/*:user0',
    ],
  ],
  // A wildcard stands for no colon.
  [['ArnLike', 'ArnNotEquals'], 'aws:PrincipalArn', ['arn:aws:iam::*:user0', 'arn:??s:*:*:*:*']],
  [
    ['StringLike', 'StringNotLike', 'StringEquals', 'StringNotEqualsIfExists'],
    's3:prefix',
    ['', 'home/*', 'home/', 'home/${aws:username}/', "${aws:username, 'home'}/"],
  ],
  [['StringEquals', 'StringNotEquals', 'StringEqualsIfExists'], 's3:delimiter', ['/', '|']],
  [
    [
      'NumericLessThan',
      'NumericLessThanEquals',
      'NumericGreaterThan',
      'NumericGreaterThanEqualsIfExists',
      'NumericEquals',
      'NumericNotEquals',
    ],
    's3:max-keys',
    ['10', 10, '999.5', 1000],
  ],
  [
    ['DateLessThan', 'DateGreaterThan', 'DateGreaterThanEquals', 'DateNotEquals'],
    'aws:CurrentTime',
    ['2001-01-01T00:00:00Z', '2999-01-01', '4102444800'],
  ],
  [['NumericGreaterThan', 'DateLessThanEquals'], 'aws:EpochTime', ['1000000000', '4102444800']],
  [['Bool', 'BoolIfExists'], 'aws:SecureTransport', ['true', 'FALSE', false]],
  [['Bool', 'BoolIfExists'], 'aws:PrincipalIsAWSService', ['false', true]],
  [['Bool'], 'aws:ViaAWSService', ['false', 'true']],
  [['Bool', 'BoolIfExists'], 's3:ObjectCreationOperation', ['true']],
  [
    ['IpAddress', 'NotIpAddress', 'IpAddressIfExists'],
    'aws:SourceIp',
    ['127.0.0.0/8', '127.0.0.1', '10.0.0.0/8', '0.0.0.0/0', '128.0.0.0/1'],
  ],
  [['StringEquals', 'StringNotEquals'], 'aws:RequestedRegion', ['us-east-1', 'eu-west-1']],
  [
    ['StringEquals', 'StringNotEquals', 'StringEqualsIfExists', 'StringNotLike'],
    's3:ExistingObjectTag/class',
    ['open', 'secret', '*'],
  ],
  [['StringEquals', 'StringLike'], 's3:ExistingObjectTag/Team', ['${aws:username}', 'user?']],
  [['StringEquals'], 's3:existingobjecttag/team', ['user0']],
  [
    ['StringEquals', 'StringNotEquals', 'StringEqualsIfExists'],
    's3:RequestObjectTag/class',
    ['open', 'secret'],
  ],
  [
    [
      'ForAllValues:StringEquals',
      'ForAnyValue:StringEquals',
      'ForAllValues:StringNotEquals',
      'ForAnyValue:StringNotEquals',
      'ForAnyValue:StringLike',
    ],
    's3:RequestObjectTagKeys',
    ['class', 'Team', 'T*'],
  ],
  [['StringEquals', 'StringNotEquals'], 's3:x-amz-storage-class', ['STANDARD', 'STANDARD_IA']],
  [['StringEquals', 'StringNotEquals'], 's3:VersionId', ['null', 'another']],
  [['StringEquals', 'StringNotEquals'], 's3:authType', ['REST-HEADER', 'POST']],
  [['StringNotEquals', 'StringEquals'], 'aws:SourceVpce', ['vpce-1']],
  ...[
    'aws:username',
    'aws:Referer',
    's3:prefix',
    's3:VersionId',
    's3:ExistingObjectTag/Team',
    'aws:PrincipalArn',
    'aws:TokenIssueTime',
    's3:x-amz-storage-class',
  ].map((key) => [['Null'], key, ['true', 'False']] as const),
];

/** A document of one to three statements; one of a bucket, if there is somebody whom it can name. */
export function documentOf(random: SeededRandom, named: readonly Asker[] | undefined): Document {
  const version = pick(random, ['2012-10-17', '2012-10-17', '2012-10-17', '2008-10-17', undefined]);
  const Statement = Array.from({ length: 1 + random.below(3) }, () => statementOf(random, named));
  return { ...(version !== undefined && { Version: version }), Statement };
}

function statementOf(random: SeededRandom, named: readonly Asker[] | undefined): Document {
  const Effect = random.below(3) === 0 ? 'Deny' : 'Allow';
  const action = random.below(8) === 0 ? 'NotAction' : 'Action';
  const resource = random.below(10) === 0 ? 'NotResource' : 'Resource';
  const [kind, ...actions] = pick(random, ACTIONS);
  const free = named === undefined || action === 'NotAction' || resource === 'NotResource';
  const paths = pick(random, free ? RESOURCES : RESOURCES.filter((some) => has(some, kind)));
  const Condition = conditionOf(random);
  return {
    Effect,
    ...(named !== undefined && principalOf(random, Effect, named)),
    [action]: oneOrMany(random, actions),
    [resource]: oneOrMany(
      random,
      paths.map((path) => `arn:aws:s3:::${path === '*' ? '*' : BUCKET + path}`),
    ),
    ...(Condition !== undefined && { Condition }),
  };
}

function has(paths: readonly string[], kind: Kind): boolean {
  const bucket = paths.some((path) => !path.includes('/'));
  const objects = paths.some((path) => path !== '');
  return kind === 'any' || (kind === 'both' ? bucket && objects : { bucket, objects }[kind]);
}

function principalOf(random: SeededRandom, effect: string, named: readonly Asker[]): Document {
  const { account, user } = pick(random, named);
  const root = `arn:aws:iam::${account}:root`;
  const itself = user === undefined ? root : `arn:aws:iam::${account}:user/${user}`;
  // With the account of the user, as AWS asks for it.
  if (effect === 'Deny' && random.below(4) === 0) return { NotPrincipal: { AWS: [itself, root] } };
  const principals = [
    '*',
    { AWS: '*' },
    { AWS: account },
    { AWS: root },
    { AWS: [itself] },
    { AWS: [itself, 'c'.repeat(64)] },
    { CanonicalUser: account },
    { Service: 'cloudtrail.amazonaws.com', AWS: itself },
  ];
  return { Principal: pick(random, principals) };
}

function conditionOf(random: SeededRandom): Document | undefined {
  const conditions: Record<string, Record<string, unknown>> = {};
  for (let left = random.below(3); left > 0; left--) {
    const [operators, key, values] = pick(random, CONDITIONS);
    const operator = pick(random, operators);
    const some = Array.from({ length: 1 + random.below(2) }, () => pick(random, values));
    conditions[operator] = { ...conditions[operator], [key]: oneOrMany(random, some) };
  }
  return Object.keys(conditions).length === 0 ? undefined : conditions;
}

function oneOrMany<Item>(random: SeededRandom, items: readonly Item[]): Item | readonly Item[] {
  const [first] = items;
  return items.length === 1 && first !== undefined && random.below(2) === 0 ? first : items;
}

export function pick<Item>(random: SeededRandom, items: readonly Item[]): Item {
  return items[random.below(items.length)] as Item;
}
