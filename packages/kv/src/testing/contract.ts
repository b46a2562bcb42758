import { describe } from 'vitest';
import type { OpenStore } from './contract/harness.ts';
import { withStore } from './contract/harness.ts';
import { modelContract } from './contract/model.ts';
import { readContract } from './contract/reads.ts';
import { refusalContract } from './contract/refusals.ts';
import { sessionContract } from './contract/sessions.ts';
import { transactionContract } from './contract/transactions.ts';
import { viewContract } from './contract/views.ts';

/**
 * What every `KvStore` must do, as vitest tests; call it at the top level of a test file. `openStore`
 * gives an empty store each time it is called.
 */
export function kvStoreContract(name: string, openStore: OpenStore): void {
  describe(`KvStore contract: ${name}`, () => {
    const each = withStore(openStore);
    transactionContract(each);
    readContract(each);
    viewContract(each);
    sessionContract(each);
    refusalContract(each);
    modelContract(openStore);
  });
}
