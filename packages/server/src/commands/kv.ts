import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { createNodeEnv } from '@holdfast/env/node';
import type { LocalStore } from '@holdfast/kv';
import { createKvPrompt } from '@holdfast/kv';
import { reportFailure } from '../failure.ts';
import { openLoneStore, requireStore } from '../lone-store.ts';
import type { ExitCode, Terminal } from '../terminal.ts';

/** A prompt on the store in a data folder. Lines may come from a person or through a pipe. */
export async function kv(
  terminal: Terminal,
  options: { readonly data: string; readonly create: boolean },
): Promise<ExitCode> {
  const directory = resolve(terminal.workingDirectory, options.data);
  const env = await createNodeEnv();
  try {
    if (!options.create) await requireStore(env, directory, 'or make one: give --create');
    const store = await openLoneStore({ env, directory });
    try {
      await runPrompt(terminal, store, env.clock);
    } finally {
      await store.close();
    }
    return 0;
  } catch (error) {
    return reportFailure(terminal, error, { directory });
  } finally {
    await env.digests.close();
  }
}

async function runPrompt(
  terminal: Terminal,
  store: LocalStore,
  clock: { monotonicMs(): number },
): Promise<void> {
  const prompt = createKvPrompt({ store, clock, write: terminal.print });
  const lines = createInterface({ input: terminal.input, terminal: false });
  // A signal ends the input: what was typed is committed and the store closed.
  terminal.onSignal(() => lines.close());
  const ask = (): void => {
    if (terminal.inputIsScreen) terminal.print('holdfast> ');
  };
  if (terminal.inputIsScreen) terminal.print('Type HELP to see what there is.\n');
  ask();
  for await (const line of lines) {
    if (!(await prompt.handle(line))) break;
    ask();
  }
  await prompt.finish();
}
