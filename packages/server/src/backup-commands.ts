import type { Command } from 'commander';
import type { ExitCode, Terminal } from './terminal.ts';

type SetExitCode = (code: ExitCode) => void;

/** Adds `backup`, `backup verify` and `restore` to the command line. */
export function addBackup(program: Command, terminal: Terminal, setExitCode: SetExitCode): void {
  const command = program
    .command('backup')
    .description('Back a store up: only what the folder does not hold already.')
    .option('--to <folder>', 'Keep the backups of this store in this folder.')
    .option('--data <folder>', 'The data folder of the store.', './holdfast-data')
    .option('--keep <count>', 'Keep so many backups, and remove older ones. Default: all.')
    .addHelpText(
      'after',
      `
Examples:
  holdfast backup --data /srv/holdfast --to /mnt/backups/node-1
  holdfast backup verify /mnt/backups/node-1`,
    )
    .action(async (options: Record<string, string> & { readonly data: string }) => {
      const { backup } = await import('./commands/backup.ts');
      setExitCode(await backup(terminal, options));
    });
  command
    .command('verify')
    .description(
      'Check every file, record and value of the backups in a folder. Nothing is changed.',
    )
    .argument('<folder>', 'A folder of backups.')
    .addHelpText('after', '\nExample:\n  holdfast backup verify /mnt/backups/node-1')
    .action(async (folder: string) => {
      const { backupVerify } = await import('./commands/backup.ts');
      setExitCode(await backupVerify(terminal, folder));
    });
  addRestore(program, terminal, setExitCode);
}

function addRestore(program: Command, terminal: Terminal, setExitCode: SetExitCode): void {
  program
    .command('restore')
    .description('Make a new data folder from a backup, under a new cluster id and node id.')
    .option('--from <folder>', 'The folder of backups.')
    .option('--data <folder>', 'The data folder to make; it must be empty or not there.')
    .option('--at-index <index>', 'The state after this record of the log. Default: the newest.')
    .option('--at-time <time>', 'The newest state known to be no younger than this ISO 8601 time.')
    .option('--node <name>', 'Make it this node of a new cluster, and its only voter.')
    .addHelpText(
      'after',
      `
Examples:
  holdfast restore --from /mnt/backups/node-1 --data /srv/restored
  holdfast restore --from /mnt/backups/node-1 --data /srv/restored --at-time 2026-02-03T04:05:06Z
  holdfast restore --from /mnt/backups/node-1 --data /srv/holdfast --node n1`,
    )
    .action(async (options: Record<string, string>) => {
      const { restore } = await import('./commands/backup.ts');
      setExitCode(await restore(terminal, options));
    });
}
