import type { Command } from 'commander';
import type { ExitCode, Terminal } from './terminal.ts';

type SetExitCode = (code: ExitCode) => void;
type Options = { readonly data: string; readonly masterKeyFile?: string };

/** Adds `keys list` and `keys rotate` to the command line. */
export function addKeys(program: Command, terminal: Terminal, setExitCode: SetExitCode): void {
  const command = program
    .command('keys')
    .description('Work with the master keys, which seal secrets and the keys of objects (SSE-S3).');
  const withFile = (name: string, description: string): Command =>
    command
      .command(name)
      .description(description)
      .option('--data <folder>', 'The data folder of the store.', './holdfast-data')
      .option('--master-key-file <file>', 'The key file, where it is not in the data folder.');
  withFile('list', 'Print the fingerprints of the master keys. A server may run.')
    .addHelpText('after', '\nExample:\n  holdfast keys list --data /srv/holdfast')
    .action(async (options: Options) => {
      const { keysList } = await import('./commands/keys.ts');
      setExitCode(await keysList(terminal, options));
    });
  withFile('rotate', 'Put a new master key before those in the key file. A server may run.')
    .addHelpText(
      'after',
      `
The next start of the server seals with the new key, and in the background all that older keys sealed; it
logs when they may leave the file. No object is written again.

Example:
  holdfast keys rotate --data /srv/holdfast`,
    )
    .action(async (options: Options) => {
      const { keysRotate } = await import('./commands/keys.ts');
      setExitCode(await keysRotate(terminal, options));
    });
}
