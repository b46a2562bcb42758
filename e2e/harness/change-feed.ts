import { expect } from 'vitest';
import { runCommand } from './command.ts';
import { CREDENTIALS } from './holdfast-process.ts';
import { waitUntil } from './wait-until.ts';

/** A change of the feed, so far as tests look at it. */
export interface Change {
  readonly cursor: string;
  readonly revision: number;
  readonly event: string;
  readonly bucket: string;
  readonly key: string;
}

export interface FeedAnswer {
  readonly status: number;
  readonly changes: readonly Change[];
  readonly cursor: string;
  readonly more: boolean;
  readonly code?: string;
  readonly oldest?: string;
}

/** As `docs/changes.md` shows it: curl signs. Where nobody leads it is asked again. */
export async function askFeed(
  endpoint: string,
  query: string,
  secret: string = CREDENTIALS.secretAccessKey,
): Promise<FeedAnswer> {
  let answer = await askOnce(endpoint, query, secret);
  await waitUntil('the feed is answered', async () => {
    if (answer.status !== 503) return true;
    answer = await askOnce(endpoint, query, secret);
    return false;
  });
  return answer;
}

async function askOnce(endpoint: string, query: string, secret: string): Promise<FeedAnswer> {
  const { output, errors } = await runCommand('curl', curlArguments(endpoint, query, secret));
  expect(errors).toBe('');
  const [body = '', status] = output.trim().split(/\n(?=\d+$)/);
  return { ...(JSON.parse(body) as FeedAnswer), status: Number(status) };
}

/** What has curl ask the feed once, and print its answer with the status on the last line. */
export function curlArguments(
  endpoint: string,
  query: string,
  secret: string = CREDENTIALS.secretAccessKey,
): string[] {
  return [
    '--silent',
    '--show-error',
    '--write-out',
    '\n%{http_code}',
    '--aws-sigv4',
    'aws:amz:us-east-1:s3',
    '--user',
    `${CREDENTIALS.accessKeyId}:${secret}`,
    '--header',
    'x-amz-content-sha256: UNSIGNED-PAYLOAD',
    `${endpoint}/_/changes?${query}`,
  ];
}
