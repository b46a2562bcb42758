import { OperatingError } from '@holdfast/bytes';
import { ERROR_TABLE, type S3ErrorCode } from './error-table.ts';
import { shownValue } from './secret-headers.ts';

/** Elements that a code has besides Code and Message: `<Key>`, `<ArgumentName>`, … in this order. */
export type ErrorFields = Readonly<Record<string, string | number | undefined>>;

/** A refusal in S3's own words: its status and default text come from the table. */
export class S3Error extends OperatingError {
  override readonly code: S3ErrorCode;
  readonly fields: ErrorFields;
  readonly status: number;
  /** Headers of the answer besides the usual ones, as name, value, name, value. */
  readonly headers: readonly string[];

  constructor(
    code: S3ErrorCode,
    message?: string,
    fields: ErrorFields = {},
    headers: readonly string[] = [],
    options?: { readonly cause?: unknown },
  ) {
    super(message ?? ERROR_TABLE[code].message, options);
    this.code = code;
    this.fields = fields;
    this.status = ERROR_TABLE[code].status;
    this.headers = headers;
  }
}

/** InvalidArgument with the argument's name and value, as AWS reports it; a key is not shown. */
export function invalidArgument(message: string, name: string, value: string): S3Error {
  const shown = shownValue(name, value);
  return new S3Error('InvalidArgument', message, { ArgumentName: name, ArgumentValue: shown });
}

/** NotImplemented for a header whose promise cannot be kept; silence would be worse. */
export function headerNotImplemented(header: string): S3Error {
  return new S3Error('NotImplemented', undefined, { Header: header });
}
