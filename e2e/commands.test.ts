import { readdir, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { expect, test } from 'vitest';
import { LAUNCHER, ROOT, runCommand, runHoldfast } from './harness/command.ts';
import { CREDENTIALS, HoldfastProcess } from './harness/holdfast-process.ts';
import { temporaryFolder } from './harness/temporary-folder.ts';

test('npx holdfast --help shows the commands and an example', async () => {
  const { exitCode, output } = await runCommand('npx', ['holdfast', '--help'], {
    workingDirectory: ROOT,
    // npm would keep its compiled code in the temporary folder.
    environment: { NODE_DISABLE_COMPILE_CACHE: '1' },
  });
  expect(exitCode).toBe(0);
  for (const word of ['serve', 'kv', 'wal', 'healthcheck', 'version', 'Examples:']) {
    expect(output).toContain(word);
  }
});

test('each command has help with an example', async () => {
  for (const command of [
    ['serve'],
    ['kv'],
    ['wal', 'inspect'],
    ['table', 'inspect'],
    ['manifest', 'inspect'],
    ['verify'],
    ['gc'],
    ['stats'],
    ['salvage'],
    ['keys', 'list'],
    ['keys', 'rotate'],
    ['healthcheck'],
  ]) {
    const { exitCode, output } = await runHoldfast([...command, '--help']);
    expect(exitCode).toBe(0);
    expect(output).toMatch(/Examples?:\n/);
  }
});

test('help shows the command that all of its words name', async () => {
  for (const words of [['gc'], ['backup', 'verify'], ['cluster', 'status'], []]) {
    const helped = await runHoldfast(['help', ...words]);
    expect(helped).toEqual(await runHoldfast([...words, '--help']));
    expect(helped.output).toContain(`Usage: ${['holdfast', ...words].join(' ')} `);
  }
});

test('version prints a version', async () => {
  for (const word of ['version', '--version']) {
    const { exitCode, output } = await runHoldfast([word]);
    expect(exitCode).toBe(0);
    expect(output).toMatch(/^\d+\.\d+\.\d+\n$/);
  }
});

test('wrong use is exit code 2 and a sentence', async () => {
  const cases: [string[], string][] = [
    [['serve', '--port', 'abc'], '--port is a number from 0 to 65535.'],
    [['serve', '--port', '70000'], '--port is a number from 0 to 65535.'],
    [['serve', '--log-level', 'loud'], '--log-level is one of error, warn, info, debug.'],
    [['serve', '--collect-every', '0'], '--collect-every is a number of seconds, 1 or more.'],
    [['serve', '--nonsense'], "unknown option '--nonsense'"],
    [['nonsense'], "unknown command 'nonsense'"],
    [['gc'], 'in that server or here where none runs, give --now'],
    [['serve', '--recovery', 'repair-from-peers'], 'needs peers, and this is a single node'],
    [['serve', '--scrub-rate', 'fast'], '--scrub-rate is a number of bytes a second'],
    [['wal', 'inspect'], "missing required argument 'folder'"],
    [['keys', 'rotate', '--data', '/nowhere'], 'There is no store in /nowhere.'],
    [['healthcheck', '--url', 'nonsense'], '"nonsense" is not an address'],
    [['healthcheck', '--url', 'localhost:9000'], '"localhost:9000" is not an address'],
    [['serve', '--tls-cert', 'cert.pem'], '--tls-cert and --tls-key belong together: give both.'],
    [['stats', '--url', 'ftp://h'], '"ftp://h" is not an address'],
    [['cluster', 'add', 'n4'], '"n4" is not NAME=HOST:PORT.'],
    [['backup', 'verify', '/b', '--data', '/d'], '"holdfast backup verify" takes no --data.'],
    [['backup', '--keep', '3', 'verify', '/b'], '"holdfast backup verify" takes no --keep.'],
    [['stats', '--url', 'http://h', '--data', '/d'], "'--data <folder>' cannot be used with"],
    [['serve', '--backup-every', '1d', '--backup-keep', '2'], '--backup-keep is for --backup-to'],
    [['serve', '--replace-root-keys'], '--replace-root-keys is for a node of a cluster'],
    [['verify', '--data', ''], '--data is empty.'],
    [['serve', '--node=', '--port', '0'], '--node is empty.'],
    [['wal', 'inspect', ''], '<folder> is empty.'],
    [['help', 'nonsense'], "unknown command 'nonsense'"],
    [['help', 'cluster', 'nonsense'], "unknown command 'nonsense'"],
  ];
  for (const [words, sentence] of cases) {
    const { exitCode, errors } = await runHoldfast(words);
    expect(errors, words.join(' ')).toContain(sentence);
    expect(exitCode, words.join(' ')).toBe(2);
  }
});

test('an older Node.js starts the one that came with the install, and is transparent', async (context) => {
  const node = await olderNode();
  if (node === undefined) return context.skip('there is no older Node.js on the PATH');
  expect((await runCommand(node, [LAUNCHER, 'version'])).output).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect((await runCommand(node, [LAUNCHER, 'nonsense'])).exitCode).toBe(2);
  await using folder = await temporaryFolder();
  await using server = await HoldfastProcess.start({ directory: folder.path, node });
  const { endpoint } = server;
  expect((await fetch(`${endpoint}/_/health/live`)).status).toBe(200);
  expect(await server.stop()).toBe(0);
  await expect(fetch(`${endpoint}/_/health/live`)).rejects.toThrow();
});

test('a bucket name that S3 does not allow is wrong use', async () => {
  await using folder = await temporaryFolder();
  const words = ['serve', '--port', '0', '--data', folder.path, '--bucket', 'Not_Allowed'];
  const { exitCode, errors } = await runHoldfast(words);
  expect(errors).toMatch(/^holdfast: The bucket "Not_Allowed" cannot be made: .+\n$/);
  expect(exitCode).toBe(2);
});

test('healthcheck is 0 for a server that runs and 1 for one that does not', async () => {
  await using folder = await temporaryFolder();
  await using server = await HoldfastProcess.start({ directory: folder.path });
  const { endpoint } = server;
  expect(await runHoldfast(['healthcheck', '--url', endpoint])).toMatchObject({
    exitCode: 0,
    output: 'ready\n',
  });
  expect(await server.stop()).toBe(0);
  const after = await runHoldfast(['healthcheck', '--url', endpoint]);
  expect(after.exitCode).toBe(1);
  expect(after.errors).toContain('does not answer');
});

test('kv works on commands that are piped in, and keeps what was put', async () => {
  await using folder = await temporaryFolder();
  const words = ['kv', '--data', join(folder.path, 'data')];
  const none = await runHoldfast(words, { input: 'PUT colour green\n' });
  expect(none).toMatchObject({ exitCode: 2, errors: expect.stringContaining('give --create') });
  expect(await readdir(folder.path)).toEqual([]);
  const first = await runHoldfast([...words, '--create'], {
    input: 'PUT colour green\nGET colour\nSIZE\nEXIT\n',
  });
  expect(first.errors).toBe('');
  expect(first.exitCode).toBe(0);
  expect(first.output).toContain('green');
  const second = await runHoldfast(words, { input: 'GET colour\n' });
  expect(second.output).toContain('green');
  expect(second.exitCode).toBe(0);
});

test('wal inspect shows the log of a stopped store, for people and for programs', async () => {
  await using folder = await temporaryFolder();
  {
    await using server = await HoldfastProcess.start({
      directory: folder.path,
      arguments: ['--bucket', 'photos'],
    });
    expect(await server.stop()).toBe(0);
  }
  const forPeople = await runHoldfast(['wal', 'inspect', folder.path]);
  expect(forPeople.errors).toBe('');
  expect(forPeople.exitCode).toBe(0);
  expect(forPeople.output).toContain('segment');
  const forPrograms = await runHoldfast(['wal', 'inspect', folder.path, '--json']);
  expect(forPrograms.exitCode).toBe(0);
  const { findings, summary } = JSON.parse(forPrograms.output) as {
    findings: { kind: string }[];
    summary: { segments: number; records: number; damaged: string[] };
  };
  expect(findings.map(({ kind }) => kind)).toContain('batch');
  expect(summary).toMatchObject({ segments: 1, damaged: [] });
  expect(summary.records).toBeGreaterThan(0);
  const log = await runHoldfast(['wal', 'inspect', join(folder.path, 'wal')]);
  expect(log.output).toBe(forPeople.output);
});

test('table inspect and manifest inspect show the index beside a running server, as text and as JSON lines', async () => {
  await using folder = await temporaryFolder();
  const written = await runHoldfast(['kv', '--create', '--data', folder.path], {
    input: 'PUT colour green\nSNAP\nEXIT\n',
  });
  expect(written.exitCode).toBe(0);
  await using server = await HoldfastProcess.start({ directory: folder.path });
  expect((await fetch(`${server.endpoint}/_/health/live`)).status).toBe(200);
  for (const [what, last] of [
    ['table', 'end'],
    ['manifest', 'state'],
  ] as const) {
    const text = await runHoldfast([what, 'inspect', folder.path]);
    expect(text).toMatchObject({ exitCode: 0, errors: '' });
    const json = await runHoldfast([what, 'inspect', folder.path, '--json']);
    const kinds = json.output
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { kind: string }).kind);
    expect(kinds.at(-1)).toBe(last);
    const missing = await runHoldfast([what, 'inspect', join(folder.path, 'missing')]);
    expect(missing.exitCode).toBe(1);
    expect(missing.errors).toMatch(/^holdfast: .+ is not there\.\n$|^holdfast: There is no .+\n$/);
  }
});

test('verify is 0 beside a running server, and 1 with a sentence for what is damaged', async () => {
  await using folder = await temporaryFolder();
  const noStore = await runHoldfast(['verify', '--data', folder.path]);
  expect(noStore).toMatchObject({ exitCode: 1, errors: expect.stringContaining('no store') });
  {
    await using server = await HoldfastProcess.start({
      directory: folder.path,
      arguments: ['--bucket', 'photos'],
    });
    const whole = await runHoldfast(['verify', '--data', folder.path]);
    expect(whole).toMatchObject({ exitCode: 0, errors: '' });
    expect(whole.output).toContain('Everything is whole.');
    expect(await server.stop()).toBe(0);
  }
  for (const slot of ['state-a', 'state-b']) {
    await writeFile(join(folder.path, 'wal', slot), new Uint8Array(4096));
  }
  const damaged = await runHoldfast(['verify', '--data', folder.path, '--json']);
  expect(damaged.exitCode).toBe(1);
  const findings = damaged.output
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { kind: string; area?: string; advice?: string });
  expect(findings.filter(({ area }) => area === 'state')).toHaveLength(1);
  for (const { kind, advice } of findings) if (kind === 'damage') expect(advice).toMatch(/\w/);
});

test('stats reports a running server, and the folder beside it', async () => {
  await using folder = await temporaryFolder();
  await using server = await HoldfastProcess.start({ directory: folder.path });
  const { endpoint } = server;
  const running = await runHoldfast(['stats', '--url', endpoint]);
  expect(running).toMatchObject({ exitCode: 0, errors: '' });
  for (const word of ['requests', 'appends', 'compaction debt', 'backup', 'last start']) {
    expect(running.output).toContain(word);
  }
  const offline = await runHoldfast(['stats', '--data', folder.path]);
  expect(offline).toMatchObject({ exitCode: 0, errors: '' });
  expect(offline.output).toContain('last start');
  expect(await server.stop()).toBe(0);
  expect((await runHoldfast(['stats', '--url', endpoint])).exitCode).toBe(1);
});

test('salvage copies a stopped store into a folder that a server can open', async () => {
  await using folder = await temporaryFolder();
  const [data, copy] = [join(folder.path, 'data'), join(folder.path, 'copy')];
  await runHoldfast(['kv', '--create', '--data', data], {
    input: 'PUT colour green\nPUT shape round\n',
  });
  const salvaged = await runHoldfast(['salvage', '--data', data, '--to', copy]);
  expect(salvaged).toMatchObject({ exitCode: 0, errors: '' });
  expect(salvaged.output).toContain('2 entries');
  const read = await runHoldfast(['kv', '--data', copy], { input: 'GET colour\nSIZE\n' });
  expect(read.output).toContain('green');
  const again = await runHoldfast(['salvage', '--data', data, '--to', copy]);
  expect(again).toMatchObject({ exitCode: 1, errors: expect.stringContaining('not empty') });
});

test('wal inspect of a folder without a log is one sentence and exit code 1', async () => {
  await using folder = await temporaryFolder();
  for (const path of [folder.path, join(folder.path, 'missing')]) {
    const result = await runHoldfast(['wal', 'inspect', path, '--json']);
    expect(result).toEqual({
      exitCode: 1,
      output: '',
      errors: `holdfast: There is no log in ${path}.\n`,
    });
  }
});

test('a file in the place of a folder is one sentence that names it', async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, 'file');
  const data = join(folder.path, 'data');
  await writeFile(file, 'x');
  await runHoldfast(['kv', '--create', '--data', data], { input: 'PUT colour green\n' });
  for (const words of [
    ['serve', '--data', file, '--port', '0'],
    ['serve', '--data', join(file, 'below'), '--port', '0'],
    ['up', '--data', file, '--port', '0'],
    ['kv', '--create', '--data', file],
    ['salvage', '--data', data, '--to', file],
    ['backup', '--data', data, '--to', file],
    ['backup', 'verify', file],
    ['secret', join(file, 'below')],
  ]) {
    const { exitCode, errors } = await runHoldfast(words);
    expect([exitCode, errors], words.join(' ')).toEqual([
      1,
      expect.stringMatching(/^holdfast: A file stands where a folder should be, .+\n$/),
    ]);
    expect(errors).toContain(file);
  }
});

test('a folder of backups inside the data folder is refused, before anything is made', async () => {
  await using folder = await temporaryFolder();
  const [data, to] = [join(folder.path, 'data'), join(folder.path, 'data', 'backups')];
  const errors = expect.stringContaining(`${to} is inside the store's own folder`);
  const served = await runHoldfast(
    ['serve', '--port', '0', '--data', data, '--backup-to', to, '--until-input-ends'],
    { limitMs: 60_000 },
  );
  expect(served).toMatchObject({ exitCode: 1, errors });
  expect(await readdir(folder.path)).toEqual([]);
  await runHoldfast(['kv', '--create', '--data', data]);
  const before = await readdir(data);
  const backedUp = await runHoldfast(['backup', '--data', data, '--to', to]);
  expect(backedUp).toMatchObject({ exitCode: 1, errors });
  expect(await readdir(data)).toEqual(before);
});

test('no command prints the secret key of the environment', async () => {
  await using folder = await temporaryFolder();
  await using server = await HoldfastProcess.start({
    directory: folder.path,
    arguments: ['--host', '0.0.0.0', '--log-level', 'debug'],
  });
  expect(server.output).not.toContain(CREDENTIALS.secretAccessKey);
  expect(server.output).toContain('(the value of HOLDFAST_SECRET_KEY)');
  expect(server.errors).not.toContain(CREDENTIALS.secretAccessKey);
});

test('the secret key of a file is not printed where others may read it, and the line to try it says it to a shell', async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "the keys' file.json");
  await writeFile(file, JSON.stringify(CREDENTIALS));
  await using server = await HoldfastProcess.start({
    directory: join(folder.path, 'data'),
    arguments: ['--host', '0.0.0.0', '--credentials-file', file],
    environment: { HOLDFAST_ACCESS_KEY: '', HOLDFAST_SECRET_KEY: '' },
  });
  expect(server.output).not.toContain(CREDENTIALS.secretAccessKey);
  expect(server.output).toContain(`(the secretAccessKey of ${file})`);
  const line = server.output.split('\n').find((each) => each.includes('AWS_SECRET_ACCESS_KEY='));
  const secret = line?.match(/AWS_SECRET_ACCESS_KEY=(.*) AWS_DEFAULT_REGION/)?.[1];
  const said = await runCommand('bash', ['-c', `printf %s ${secret}`]);
  expect(said).toMatchObject({ exitCode: 0, output: CREDENTIALS.secretAccessKey });
});

test('a command of a server that stands still ends with a sentence, and works when it goes on', async () => {
  await using folder = await temporaryFolder();
  await using server = await HoldfastProcess.start({ directory: folder.path });
  server.signal('SIGSTOP');
  const words = ['gc', '--now', '--data', folder.path];
  const refused = await runHoldfast(words);
  server.signal('SIGCONT');
  const errors = expect.stringContaining('has not answered for 10 s');
  expect(refused).toMatchObject({ exitCode: 1, errors });
  expect(await runHoldfast(words)).toMatchObject({ exitCode: 0, errors: '' });
  expect(await server.stop()).toBe(0);
});

test('secret makes a file once, and refuses what is there and is no secret', async () => {
  await using folder = await temporaryFolder();
  const [file, short] = [join(folder.path, 'secret'), join(folder.path, 'short')];
  await writeFile(short, 'short\n');
  const outputs = [];
  for (const path of [file, file, short, folder.path]) {
    outputs.push(await runHoldfast(['secret', path]));
  }
  expect(outputs).toEqual([
    { exitCode: 0, output: expect.stringContaining('is made'), errors: '' },
    { exitCode: 0, output: expect.stringContaining('is there already'), errors: '' },
    { exitCode: 1, output: '', errors: expect.stringContaining('32 are the least') },
    { exitCode: 1, output: '', errors: expect.stringContaining('cannot be read') },
  ]);
});

/** A Node.js of the machine that cannot run TypeScript, if there is one. */
async function olderNode(): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const node = join(folder, 'node');
    const { output } = await runCommand(node, ['--version']).catch(() => ({ output: '' }));
    const major = Number(/^v(\d+)/.exec(output)?.[1] ?? Infinity);
    if (major < 24) return node;
  }
  return undefined;
}
