/** Questions to a store whose answers must never change, and the answers in a form that can be kept. */
import { isDeepStrictEqual } from 'node:util';
import * as s3 from '@aws-sdk/client-s3';
import { sha256 } from '../harness/pattern-bytes.ts';

/** One question, as a command of the SDK, and its answer. */
export interface GoldenRead {
  /** `GetObject`, `ListObjectVersions`. */
  readonly command: string;
  readonly input: Readonly<Record<string, unknown>>;
  readonly answer: unknown;
}

type AnyCommand = new (input: object) => s3.GetObjectCommand;

/** Asks, and gives the answer without what is of this one request. */
export async function ask(client: s3.S3Client, command: string, input: object): Promise<unknown> {
  const commands = s3 as unknown as Readonly<Record<string, AnyCommand>>;
  const Command = commands[`${command}Command`];
  if (Command === undefined) throw new Error(`there is no command ${command}`);
  const { $metadata: _, Body, ...answer } = await client.send(new Command(input));
  const bytes = Body === undefined ? undefined : await Body.transformToByteArray();
  const body = bytes === undefined ? {} : { sizeBytes: bytes.length, sha256: sha256(bytes) };
  return JSON.parse(JSON.stringify({ ...answer, ...body })) as unknown;
}

/**
 * Lists of uploads and parts have changed in what says nothing of the store: where the next page begins, and the checksum that Holdfast
 * chooses for an upload that named none, which is shown when the object is complete.
 */
function ofStore(command: string, answer: unknown): unknown {
  if (command !== 'ListParts' && command !== 'ListMultipartUploads') return answer;
  const isOfPage = (name: string) => /^(Next.*Marker|Prefix|Checksum.*)$/.test(name);
  const text = JSON.stringify(answer, (name, value) => (isOfPage(name) ? undefined : value));
  return JSON.parse(text) as unknown;
}

/** What is not answered as it was, in words. */
export async function differences(
  client: s3.S3Client,
  reads: readonly GoldenRead[],
): Promise<string[]> {
  const found: string[] = [];
  for (const { command, input, answer } of reads) {
    const now = await ask(client, command, input).catch(String);
    if (isDeepStrictEqual(ofStore(command, now), ofStore(command, answer))) continue;
    const [before, after] = [JSON.stringify(answer), JSON.stringify(now)];
    found.push(`${command} ${JSON.stringify(input)}: ${after}, and was ${before}`);
  }
  return found;
}
