import { createHash } from 'node:crypto';
import type { S3Client } from '@aws-sdk/client-s3';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import type { HistoryRecorder, RegisterCall, RegisterResult } from '@holdfast/sim/history';
import { isRefusedConnection } from './cluster-clients.ts';

export type RegisterRecorder = HistoryRecorder<RegisterCall, RegisterResult>;

/** The ETag of a body that is put in one request, without its quotation marks. */
function etagOf(body: string): string {
  return createHash('md5').update(body).digest('hex');
}

/** One client that does one thing after another, and has all of it written down. */
export class RecordedClient {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #recorder: RegisterRecorder;
  readonly #name: string;

  constructor(client: S3Client, bucket: string, recorder: RegisterRecorder, name: string) {
    this.#client = client;
    this.#bucket = bucket;
    this.#recorder = recorder;
    this.#name = name;
  }

  get(Key: string): Promise<RegisterResult | undefined> {
    return this.#record(Key, { kind: 'get' }, async () => {
      const answer = await this.#client.send(new GetObjectCommand({ Bucket: this.#bucket, Key }));
      const etag = etagOf((await answer.Body?.transformToString()) ?? '');
      if (answer.ETag !== `"${etag}"`) throw new Error(`${Key}: ETag ${answer.ETag}, body ${etag}`);
      return { kind: 'found', value: etag };
    });
  }

  /** `replaces`: the ETag that must be there; null: the key must be absent; undefined: no condition. */
  put(Key: string, body: string, replaces?: string | null): Promise<RegisterResult | undefined> {
    const value = etagOf(body);
    const condition =
      replaces === undefined
        ? {}
        : replaces === null
          ? { ifAbsent: true as const }
          : { ifMatch: replaces };
    return this.#record(Key, { kind: 'put', value, ...condition }, async () => {
      await this.#client.send(
        new PutObjectCommand({
          Bucket: this.#bucket,
          Key,
          Body: body,
          ...(condition.ifAbsent === undefined ? {} : { IfNoneMatch: '*' }),
          ...(condition.ifMatch === undefined ? {} : { IfMatch: `"${condition.ifMatch}"` }),
        }),
      );
      return { kind: 'written' };
    });
  }

  delete(Key: string): Promise<RegisterResult | undefined> {
    return this.#record(Key, { kind: 'delete' }, async () => {
      await this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key }));
      return { kind: 'deleted' };
    });
  }

  /** undefined: no answer came, or one that says nothing about the key. */
  async #record(
    key: string,
    call: RegisterCall,
    send: () => Promise<RegisterResult>,
  ): Promise<RegisterResult | undefined> {
    const pending = this.#recorder.begin(this.#name, key, call);
    try {
      const result = await send();
      pending.answered(result);
      return result;
    } catch (error) {
      const result = resultOf(error);
      if (result === 'unknown') pending.unknown();
      else if (result === 'withdrawn') pending.withdrawn();
      else pending.answered(result);
      return typeof result === 'string' ? undefined : result;
    }
  }
}

function resultOf(error: unknown): RegisterResult | 'unknown' | 'withdrawn' {
  const status = error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
  if (status === 412) return { kind: 'refused' };
  if (status === 404) return { kind: 'absent' };
  if (status === 409 || isRefusedConnection(error)) return 'withdrawn';
  // A wrong body is a failure of the test, and a cut connection or a refusal by the server's state is not.
  if (status === undefined && error instanceof Error && /: ETag /.test(error.message)) throw error;
  return 'unknown';
}
