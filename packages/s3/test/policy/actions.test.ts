import { expect, test } from 'vitest';
import { type RequiredAction, requiredAction } from '../../src/access/action-table.ts';
import { OPERATIONS } from '../../src/operation-table.ts';
import { checkActions } from '../../src/policy/actions.ts';
import { parseBucketPolicy } from '../../src/policy/index.ts';

function check(action: string, name: 'Action' | 'NotAction' = 'Action'): void {
  const statement = { Effect: 'Deny', Principal: '*', [name]: action, Resource: 'arn:aws:s3:::b' };
  parseBucketPolicy(JSON.stringify({ Statement: [statement] }), 'b').statements.forEach(
    checkActions,
  );
}

/** Asks for `s3:ListAllMyBuckets`, or for the action of each object; nobody is asked before a preflight. */
const DECIDE_OTHERWISE = new Set([
  'ListBuckets',
  'DeleteObjects',
  'PostObject',
  'Preflight',
  'TransactObjects',
]);

test.each(['*', 's3:*', 's3:GetObject', 'S3:getobject', 's3:Get*Acl', 's3:PutObjec?'])(
  '%s is an action, or a pattern of some',
  (action) => {
    expect(() => check(action)).not.toThrow();
  },
);

test.each(['s3:HeadObject', 's3:GetObjects', 's3:Delet', 's3:*Objects', 's3:GetObject?'])(
  '%s is no action, and no pattern of any',
  (action) => {
    expect(() => check(action)).toThrow('Policy has invalid action');
    expect(() => check(action, 'NotAction')).toThrow('Policy has invalid action');
  },
);

test('what an operation must be allowed to do can be said in a policy', () => {
  for (const { name, run } of Object.values(OPERATIONS).flatMap((table) => [...table.values()])) {
    if (run === undefined || DECIDE_OTHERWISE.has(name)) continue;
    let required: RequiredAction | undefined = requiredAction(name);
    for (; required !== undefined; required = required.also) {
      check(required.action);
      if (required.versionAction !== undefined) check(required.versionAction);
    }
  }
});
