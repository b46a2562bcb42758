import { baseHeaders, begin } from '../answer.ts';
import { objectAnswerHeaders, openObject, readRequest } from '../open-object.ts';
import type { S3Call } from '../s3-call.ts';

/** The head of what GetObject would answer. Source: AWS API reference, "HeadObject". */
export async function headObject(call: S3Call): Promise<void> {
  const request = readRequest(call);
  if (request.range === undefined && request.partNumber === undefined) {
    const info = await call.store.headObject(request);
    answer(call, 200, objectAnswerHeaders(call, info, true), info.sizeBytes);
    return;
  }
  // A range or a part: only the reader knows which bytes it is.
  const { reader, status, headers } = await openObject(call);
  reader.close();
  answer(call, status, headers, reader.length);
}

function answer(call: S3Call, status: number, headers: readonly string[], length: number): void {
  begin(call, status, [...baseHeaders(call), ...headers, 'Content-Length', String(length)]);
  call.res.end();
}
