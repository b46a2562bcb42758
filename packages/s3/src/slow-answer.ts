import { baseHeaders, begin, sendXml } from './answer.ts';
import { errorDocument, explainError } from './answer-error.ts';
import type { S3Call } from './s3-call.ts';
import { XML_DECLARATION } from './xml-writer.ts';

/**
 * Answers with a document whose making may take long. If it does, the status is sent before the outcome is known
 * and white space keeps the connection alive; an error then comes as an `<Error>` document under status 200,
 * as AWS documents it for CompleteMultipartUpload and for copies. `headers` are known only where it does not.
 */
export async function sendSlowXml<Result>(
  call: S3Call,
  outcome: Promise<Result>,
  document: (result: Result) => string,
  headers: (result: Result) => readonly string[] = () => [],
): Promise<void> {
  const keepAlive = new KeepAlive(call);
  let xml: string;
  let known: readonly string[];
  try {
    const result = await outcome;
    xml = document(result);
    known = headers(result);
  } catch (error) {
    keepAlive.stop();
    if (!keepAlive.begun) throw error;
    const refusal = explainError(call, error);
    call.errorCode = refusal.code;
    finish(call, errorDocument(call, refusal));
    return;
  }
  keepAlive.stop();
  if (keepAlive.begun) finish(call, xml);
  else await sendXml(call, 200, xml, known);
}

function finish(call: S3Call, xml: string): void {
  // The declaration went out with the first white space.
  const rest = xml.slice(XML_DECLARATION.length);
  call.bytesOut += Buffer.byteLength(rest);
  call.res.end(rest);
}

class KeepAlive {
  readonly #call: S3Call;
  #timer: { cancel(): void };
  begun = false;

  constructor(call: S3Call) {
    this.#call = call;
    this.#timer = this.#arm();
  }

  stop(): void {
    this.#timer.cancel();
  }

  #arm(): { cancel(): void } {
    const { env, limits } = this.#call.service;
    return env.clock.setTimer(limits.keepAliveMs, () => this.#beat());
  }

  #beat(): void {
    const { res } = this.#call;
    if (res.destroyed) return;
    if (!this.begun) {
      this.begun = true;
      begin(this.#call, 200, [...baseHeaders(this.#call), 'Content-Type', 'application/xml']);
      res.write(XML_DECLARATION);
    }
    res.write(' ');
    this.#timer = this.#arm();
  }
}
