import { join } from 'node:path';
import { GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { runHoldfast } from './harness/command.ts';
import { HoldfastProcess } from './harness/holdfast-process.ts';
import { patternBytes } from './harness/pattern-bytes.ts';
import { temporaryFolder } from './harness/temporary-folder.ts';
import { waitUntil } from './harness/wait-until.ts';

const SIZES = [0, 100, 200_000, 3_000_000];

async function putAll(client: S3Client, seed: number): Promise<void> {
  for (const size of SIZES) {
    await client.send(
      new PutObjectCommand({ Bucket: 'photos', Key: `${size}`, Body: patternBytes(seed, size) }),
    );
  }
}

async function expectAll(client: S3Client, seed: number): Promise<void> {
  for (const size of SIZES) {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: 'photos', Key: `${size}` }));
    const bytes = await Body?.transformToByteArray();
    expect(Buffer.compare(bytes ?? Buffer.from('none'), patternBytes(seed, size))).toBe(0);
  }
}

test('a stopped store is backed up, verified and restored with every byte', async () => {
  await using folder = await temporaryFolder();
  const [data, to, restored] = ['data', 'backups', 'restored'].map((name) =>
    join(folder.path, name),
  ) as [string, string, string];
  {
    await using server = await HoldfastProcess.start({
      directory: data,
      arguments: ['--bucket', 'photos'],
    });
    await putAll(server.client(), 1);
    expect(await server.stop()).toBe(0);
  }
  const backup = await runHoldfast(['backup', '--data', data, '--to', to]);
  expect(backup.errors).toBe('');
  expect(backup.output).toMatch(/^backed up to .*: index \d+ to \d+, \d+ files/);
  const verify = await runHoldfast(['backup', 'verify', to]);
  expect(verify.output).toMatch(/^backup of .*Z: whole; index \d+ to \d+/);
  expect(verify.exitCode).toBe(0);
  const restore = await runHoldfast(['restore', '--from', to, '--data', restored]);
  expect(restore.output).toMatch(/new cluster [0-9a-f]{32}, new node [0-9a-f]{32}\n$/);
  await using server = await HoldfastProcess.start({ directory: restored });
  await expectAll(server.client(), 1);
});

test('a running server is backed up by command and by itself, under load', async () => {
  await using folder = await temporaryFolder();
  const data = join(folder.path, 'data');
  const asked = join(folder.path, 'asked');
  const scheduled = join(folder.path, 'scheduled');
  await using server = await HoldfastProcess.start({
    directory: data,
    arguments: ['--bucket', 'photos', '--backup-to', scheduled, '--backup-every', '1s'],
  });
  const client = server.client();
  await putAll(client, 2);
  let running = true;
  const load = (async () => {
    for (let turn = 0; running; turn++) {
      const Body = patternBytes(turn, 150_000);
      await client.send(new PutObjectCommand({ Bucket: 'photos', Key: `load-${turn % 5}`, Body }));
    }
  })();
  // Where a later step fails, the server goes away under the load.
  load.catch(() => undefined);
  for (let turn = 0; turn < 3; turn++) {
    const { exitCode, errors } = await runHoldfast(['backup', '--data', data, '--to', asked]);
    expect(errors).toBe('');
    expect(exitCode).toBe(0);
  }
  await waitUntil('a backup was made by schedule', () => server.errors.includes('backed up'));
  const metrics = await (await fetch(`${server.endpoint}/_/metrics`)).text();
  expect(Number(/^holdfast_backup_age_seconds (\S+)$/m.exec(metrics)?.[1])).toBeLessThan(60);
  expect(server.errors).not.toContain('the backup failed');
  running = false;
  await load;
  expect(await server.stop()).toBe(0);
  for (const from of [asked, scheduled]) {
    const verify = await runHoldfast(['backup', 'verify', from]);
    expect(verify.output).not.toContain('DAMAGED');
    expect(verify.exitCode).toBe(0);
  }
  const restored = join(folder.path, 'restored');
  await runHoldfast(['restore', '--from', asked, '--data', restored]);
  await using second = await HoldfastProcess.start({ directory: restored });
  await expectAll(second.client(), 2);
});

test('an earlier state is restored by index and by time, and the newest without either', async () => {
  await using folder = await temporaryFolder();
  const data = join(folder.path, 'data');
  const to = join(folder.path, 'backups');
  await using server = await HoldfastProcess.start({
    directory: data,
    arguments: ['--bucket', 'photos'],
  });
  const backedUp = async (
    seed: number,
  ): Promise<{ readonly time: string; readonly last: string }> => {
    await putAll(server.client(), seed);
    expect((await runHoldfast(['backup', '--data', data, '--to', to])).errors).toBe('');
    const { output } = await runHoldfast(['backup', 'verify', to]);
    const backups = [...output.matchAll(/^backup of (\S+): whole; index \d+ to (\d+)/gm)];
    const [, time = '', last = ''] =
      backups.toSorted((left, right) => Number(left[2]) - Number(right[2])).at(-1) ?? [];
    return { time, last };
  };
  const earlier = await backedUp(1);
  await backedUp(2);
  expect(await server.stop()).toBe(0);
  const cases: [string[], number][] = [
    [['--at-index', earlier.last], 1],
    [['--at-time', earlier.time], 1],
    [[], 2],
  ];
  for (const [at, [how, seed]] of cases.entries()) {
    const restored = join(folder.path, `restored-${at}`);
    const { errors, exitCode } = await runHoldfast([
      'restore',
      '--from',
      to,
      '--data',
      restored,
      ...how,
    ]);
    expect(errors).toBe('');
    expect(exitCode).toBe(0);
    await using second = await HoldfastProcess.start({ directory: restored });
    await expectAll(second.client(), seed);
  }
});

test('what cannot be done is refused with a sentence', async () => {
  await using folder = await temporaryFolder();
  const { path } = folder;
  const cases: [string[], number, string][] = [
    [['backup', '--data', path], 2, '--to needs the path of a folder for the backups.'],
    [['backup', '--data', path, '--to', path, '--keep', '0'], 2, '--keep is a number of backups'],
    [['backup', '--data', path, '--to', join(path, 'b')], 2, `There is no store in ${path}.`],
    [['backup', 'verify', path], 1, 'holds no finished backup'],
    [['restore', '--data', join(path, 'new')], 2, '--from needs the path of a folder of backups.'],
    [['restore', '--from', path], 2, '--data needs the path of a new folder.'],
    [['restore', '--from', path, '--data', join(path, 'new')], 1, 'holds no finished backup'],
    [
      ['restore', '--from', path, '--data', join(path, 'new'), '--at-time', 'yesterday'],
      2,
      '--at-time is a time with its zone',
    ],
  ];
  for (const [words, code, sentence] of cases) {
    const { exitCode, errors } = await runHoldfast(words);
    expect(errors, words.join(' ')).toContain(sentence);
    expect(exitCode, words.join(' ')).toBe(code);
  }
});
