import { afterEach, beforeEach, describe } from 'vitest';
import type { Files } from '../files.ts';
import { describeContents } from './file-contents.ts';
import { describeNames } from './file-names.ts';

/** A fresh `Files` and an empty folder of it. */
export interface FilesFixture {
  readonly files: Files;
  readonly directory: string;
  /** Removes what the test left. */
  readonly close?: () => Promise<void>;
}

/**
 * What every `Files` must do, as vitest tests; call it at the top level of a test file. What is left after
 * a power cut is not here: no test can ask a real disk.
 */
export function filesContract(name: string, makeFiles: () => Promise<FilesFixture>): void {
  describe(name, () => {
    let fixture: FilesFixture;
    beforeEach(async () => {
      fixture = await makeFiles();
    });
    afterEach(async () => {
      await fixture.close?.();
    });
    describeContents(() => fixture);
    describeNames(() => fixture);
  });
}
