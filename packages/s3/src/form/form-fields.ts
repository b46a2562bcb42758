import { isUtf8 } from 'node:buffer';
import { invalidArgument, S3Error } from '../s3-error.ts';
import { type FormPart, FormReader, malformedForm } from './form-reader.ts';

/** All fields before the file together, as on S3. */
const FIELDS_LIMIT_BYTES = 20 * 1024;

/** A form up to its file, which is still to be read. */
export interface OpenForm {
  /** By lower-case name; of a name that comes twice the first value counts. */
  readonly fields: ReadonlyMap<string, string>;
  readonly file: FormPart;
  /** The bytes of the file. */
  readonly content: AsyncIterable<Uint8Array>;
}

/**
 * Reads a form up to its file. A part named `file` is the file, whatever else it says, and no other is: some clients
 * send a file name with every field.
 *
 * @throws S3Error PreconditionFailed (not a form), MalformedPOSTRequest, InvalidArgument (no file),
 *   MaxPostPreDataLengthExceeded
 */
export async function openForm(
  source: AsyncIterable<Uint8Array>,
  contentType: string | undefined,
): Promise<OpenForm> {
  const reader = new FormReader(source, readBoundary(contentType));
  const fields = new Map<string, string>();
  let room = FIELDS_LIMIT_BYTES;
  for (;;) {
    const part = await reader.nextPart();
    if (part === undefined) {
      throw invalidArgument('POST requires exactly one file upload per request.', 'file', '0');
    }
    const name = part.name.toLowerCase();
    if (name === 'file') return { fields, file: part, content: reader.content() };
    const value = await readValue(reader, room);
    room -= name.length + value.length;
    // Why: what is put in the place of such bytes would make one key of two.
    if (!isUtf8(value)) throw invalidArgument('A field is not UTF-8', part.name, String(value));
    if (!fields.has(name)) fields.set(name, value.toString('utf8'));
  }
}

async function readValue(reader: FormReader, limitBytes: number): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of reader.content()) {
    size += piece.length;
    if (size > limitBytes) {
      throw new S3Error('MaxPostPreDataLengthExceeded', undefined, {
        MaxPostPreDataLengthBytes: FIELDS_LIMIT_BYTES,
      });
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

function readBoundary(contentType: string | undefined): string {
  const [, quoted, plain] =
    /^multipart\/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))/i.exec(
      contentType ?? '',
    ) ?? [];
  const boundary = quoted ?? plain;
  if (boundary !== undefined) return boundary;
  if (contentType?.toLowerCase().startsWith('multipart/form-data') === true) throw malformedForm();
  throw new S3Error('PreconditionFailed', undefined, {
    Condition: 'Bucket POST must be of the enclosure-type multipart/form-data',
  });
}
