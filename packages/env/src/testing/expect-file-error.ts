import { expect } from 'vitest';
import { FileError, type FileErrorCode } from '../files.ts';

/** The call must reject with a `FileError` of this code that names the path. */
export async function expectFileError(
  call: Promise<unknown>,
  code: FileErrorCode,
  path: string,
): Promise<void> {
  const outcome = await call.then(
    () => 'it succeeded',
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(FileError);
  expect(outcome).toMatchObject({ code, path });
  expect((outcome as FileError).message).toContain(path);
}
