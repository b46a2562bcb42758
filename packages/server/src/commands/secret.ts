import { dirname, resolve } from 'node:path';
import { toHex } from '@holdfast/bytes';
import { makeDurableDirectory } from '@holdfast/env';
import { createNodeEnv, SharedSecret } from '@holdfast/env/node';
import { ensureSecret } from '../secret-file.ts';
import type { ExitCode, Terminal } from '../terminal.ts';

const SECRET_BYTES = 32;

/** Makes a file for `--cluster-secret-file`, unless a usable one is there already. What is in it is never printed. */
export async function secret(terminal: Terminal, path: string): Promise<ExitCode> {
  const file = resolve(terminal.workingDirectory, path);
  const env = await createNodeEnv();
  try {
    await makeDurableDirectory(env.files, dirname(file));
    const text = `${toHex(env.random.bytes(SECRET_BYTES))}\n`;
    const isNew = await ensureSecret(env, dirname(file), file, text);
    if (!isNew) await SharedSecret.fromFile(file);
    terminal.print(
      isNew
        ? `${file} is made: only its owner can read it. Give every node a copy.\n`
        : `${file} is there already, and is left as it is.\n`,
    );
    return 0;
  } finally {
    await env.digests.close();
  }
}
