import type { S3Client } from '@aws-sdk/client-s3';
import { parseUserPolicy } from '../src/policy/index.ts';
import { OWNER_ID, startTestServer, type TestServer } from './test-server.ts';

/** Of every user. */
export const USER_SECRET = 'a-secret-of-a-test';

export interface PolicyUsers {
  readonly server: TestServer;
  readonly owner: S3Client;
  readonly client: (name: string) => S3Client;
}

/** A server with users of the owner's account, by name, which is their access key too, and with what each may do. */
export async function startWithUsers(
  statements: Readonly<Record<string, readonly object[]>>,
): Promise<PolicyUsers> {
  const account = { id: OWNER_ID, displayName: 'tester' };
  const users = Object.entries(statements).map(([name, Statement]) => ({
    account,
    name,
    accessKeyId: name,
    secretAccessKey: USER_SECRET,
    policies: [parseUserPolicy(JSON.stringify({ Version: '2012-10-17', Statement }))],
  }));
  const server = await startTestServer({ users });
  const clients = new Map(
    users.map(({ name, accessKeyId, secretAccessKey }) => [
      name,
      server.client({ credentials: { accessKeyId, secretAccessKey } }),
    ]),
  );
  return { server, owner: server.client(), client: (name) => clients.get(name) as S3Client };
}

/** What became of it: `done`, or the code of the error. */
export function outcome(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'done',
    (error: Error) => error.name,
  );
}
