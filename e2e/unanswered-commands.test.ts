import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LAUNCHER, runCommand, runHoldfast } from './harness/command.ts';
import { HoldfastProcess } from './harness/holdfast-process.ts';
import { temporaryFolder } from './harness/temporary-folder.ts';

test('cluster status says why nobody answers: no store, none that runs, one that was killed, a folder of up', async () => {
  await using folder = await temporaryFolder();
  const [data, up] = [join(folder.path, 'data'), join(folder.path, 'up')];
  const file = join(folder.path, 'file');
  await writeFile(file, 'x');
  await mkdir(up);
  await writeFile(join(up, 'ports.json'), '{}');
  const status = async (path: string) => {
    const { exitCode, output, errors } = await runHoldfast(['cluster', 'status', '--data', path]);
    expect([exitCode, output]).toEqual([1, '']);
    return errors;
  };
  for (const path of [data, folder.path, file]) {
    expect(await status(path)).toMatch(/^holdfast: There is no store in .+\n$/);
  }
  expect(await status(up)).toContain(`such as ${join(up, 'n1')}`);
  {
    await using server = await HoldfastProcess.start({ directory: data });
    expect(await status(data)).toContain('This server is no node of a cluster.');
    await server.kill();
  }
  const killed = await status(data);
  expect(killed).toContain(`No node runs on ${data}`);
  expect(killed).toContain('was killed');
  {
    await using server = await HoldfastProcess.start({ directory: data });
    expect(await server.stop()).toBe(0);
  }
  const stopped = await status(data);
  expect(stopped).toContain(`No node runs on ${data}`);
  expect(stopped).not.toContain('was killed');
  const long = join(folder.path, 'x'.repeat(120));
  await runHoldfast(['kv', '--create', '--data', long], { input: 'PUT a b\n' });
  expect(await status(long)).toContain('more than 103 bytes');
});

test('a command whose user may not open the socket of the server says that', async (context) => {
  if (process.platform !== 'linux') return context.skip('it takes the rights of root away');
  await using folder = await temporaryFolder();
  await using server = await HoldfastProcess.start({ directory: folder.path });
  await chmod(join(folder.path, 'control'), 0o000);
  const words = [process.execPath, LAUNCHER];
  // Root without its capabilities is the owner of its files, and no more.
  if (process.getuid?.() === 0) words.unshift('setpriv', '--bounding-set=-all', '--inh-caps=-all');
  for (const command of [
    ['cluster', 'status'],
    ['gc', '--now'],
    ['backup', '--to', join(folder.path, '..', 'never')],
  ]) {
    const [program, ...rest] = [...words, ...command, '--data', folder.path];
    const { exitCode, errors } = await runCommand(program, rest);
    expect([command[0], exitCode]).toEqual([command[0], 1]);
    expect(errors).toContain(`may not open ${join(folder.path, 'control', 'socket')}`);
  }
  await chmod(join(folder.path, 'control'), 0o700);
  expect(await server.stop()).toBe(0);
});
