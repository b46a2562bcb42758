import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { Cluster } from './harness/cluster.ts';
import { cleanEnvironment, LAUNCHER, runHoldfast } from './harness/command.ts';
import { temporaryFolder } from './harness/temporary-folder.ts';
import { waitUntil, within } from './harness/wait-until.ts';

test('holdfast up runs three processes, starts a killed one again, and stops all at a signal', async () => {
  await using folder = await temporaryFolder();
  const words = ['up', '--nodes', '3', '--data', folder.path, '--port', '0'];
  const child = spawn(process.execPath, [LAUNCHER, ...words], { env: cleanEnvironment() });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const gone = once(child, 'close');
  try {
    await waitUntil('all are up', () => /Paste this/.test(output));
    const found = [...output.matchAll(/ {2}(n\d) {2}(http:\S+) {2}process (\d+)/g)];
    expect(found.map(([, name]) => name)).toEqual(['n1', 'n2', 'n3']);
    for (const name of ['cluster-secret', 'master.key', 'credentials.json']) {
      expect(((await stat(join(folder.path, name))).mode & 0o777).toString(8)).toBe('600');
    }
    process.kill(Number(found[1]?.[3]), 'SIGKILL');
    await waitUntil('it is started again', () => /n2 \| .* is started again/.test(errors));
    const url = `${found[1]?.[2]}/_/health/ready`;
    const isReady = async () => (await fetch(url).catch(() => undefined))?.status === 200;
    await waitUntil('it is ready again', isReady);
    await waitUntil('its status names a leader', async () => {
      const words = ['cluster', 'status', '--data', join(folder.path, 'n2')];
      const { exitCode, output } = await runHoldfast(words);
      return exitCode === 0 && /cluster [0-9a-f]{32}: n\d leads in term \d+/.test(output);
    });
  } finally {
    child.kill('SIGTERM');
  }
  const [code] = (await within('all are stopped', gone)) as [number | null];
  expect(code).toBe(0);
});

test('holdfast demo raft shows both puts on every node, and two leaders', async () => {
  const { exitCode, output, errors } = await runHoldfast(['demo', 'raft']);
  expect(errors).toBe('');
  expect(exitCode).toBe(0);
  const leaders = [...output.matchAll(/\[raft\] (n\d) became LEADER term=(\d+)/g)];
  expect(leaders).toHaveLength(2);
  expect(leaders[0]?.[1]).not.toBe(leaders[1]?.[1]);
  expect(output).toContain('n1.get(a)=100 n2.get(a)=100 n3.get(a)=100\n===');
  expect(output.trimEnd().endsWith('n1.get(b)=200 n2.get(b)=200 n3.get(b)=200')).toBe(true);
});

test('a node is taken in, promoted, led to, and another taken out, while clients write', async () => {
  await using folder = await temporaryFolder();
  const options = {
    directory: folder.path,
    nodes: 4,
    founders: 3,
    arguments: ['--bucket', 'members'],
  };
  await using cluster = await Cluster.prepare(options);
  for (const at of [0, 1, 2]) cluster.spawn(at);
  await Promise.all([0, 1, 2].map((at) => cluster.node(at).ready()));
  const client = cluster.balanced();
  let isOver = false;
  const writing = (async () => {
    for (let number = 0; !isOver; number++) {
      await client.send(
        new PutObjectCommand({ Bucket: 'members', Key: `k${number % 20}`, Body: 'x' }),
      );
    }
  })();
  writing.catch(() => undefined);
  const ask = async (...words: readonly string[]): Promise<string> => {
    const data = cluster.folder(await cluster.leader(cluster.running));
    const { exitCode, output, errors } = await runHoldfast(['cluster', ...words, '--data', data]);
    return exitCode === 0 ? output : `refused: ${errors}`;
  };
  /** As its owner does: where the leader is lost in the middle of it, the status says whether it has happened. */
  const change = async (words: readonly string[], isDone: (view: string) => boolean) => {
    const isSeen = (said: string) => /^cluster [0-9a-f]{32}: /.test(said) && isDone(said);
    await waitUntil(words.join(' '), async () => {
      return isSeen(await ask(...words)) || isSeen(await ask('status'));
    });
  };
  cluster.spawn(3);
  await change(['add', cluster.member(3)], (view) => /n4 +learner/.test(view));
  await cluster.node(3).ready();
  // Refused until the learner has enough.
  await change(['promote', 'n4'], (view) => /n4 +voter/.test(view));
  await waitUntil('n4 leads', async () => {
    const said = await ask('transfer-leader', 'n4');
    return said.startsWith('cluster ') && (await cluster.leader()) === 3;
  });
  await change(['remove', 'n1'], (view) => !/^ +n1 /m.test(view));
  isOver = true;
  await writing;
  const found = await cluster
    .client(3)
    .send(new GetObjectCommand({ Bucket: 'members', Key: 'k0' }));
  expect(await found.Body?.transformToString()).toBe('x');
  // A leader that removes itself surely knows of it.
  await change(['remove', 'n4'], (view) => !/^ +n4 /m.test(view));
  await waitUntil('n4 says that it was removed', async () => {
    const status = ['cluster', 'status', '--data', cluster.folder(3)];
    const { output } = await runHoldfast(status);
    const page = await fetch(`${cluster.endpoint(3)}/_/health/ready`);
    return (
      output.includes('n4 was removed from the cluster') &&
      page.status === 503 &&
      (await page.text()) === 'This node was removed from its cluster.\n' &&
      cluster.node(3).errors.includes('this node was removed from its cluster')
    );
  });
});

test('a node that was taken out while it was down says so when it is back, and goes on when it is added', async () => {
  await using folder = await temporaryFolder();
  await using cluster = await Cluster.start({ directory: folder.path });
  await cluster.node(2).kill();
  const ask = async (...words: readonly string[]): Promise<string> => {
    const data = cluster.folder(await cluster.leader(cluster.running));
    const { output, errors } = await runHoldfast(['cluster', ...words, '--data', data]);
    return output + errors;
  };
  await waitUntil('n3 is no member', async () => {
    return !/^ +n3 /m.test(await ask('remove', 'n3')) && !/^ +n3 /m.test(await ask('status'));
  });
  cluster.spawn(2);
  await waitUntil('n3 says that it was removed', async () => {
    const status = ['cluster', 'status', '--data', cluster.folder(2)];
    const { output } = await runHoldfast(status);
    if (!output.includes('n3 was removed from the cluster')) return false;
    const page = await fetch(`${cluster.endpoint(2)}/_/health/ready`);
    const refused = await fetch(cluster.endpoint(2));
    return (
      page.status === 503 &&
      (await page.text()) === 'This node was removed from its cluster.\n' &&
      refused.status === 503 &&
      (await refused.text()).includes('This node was removed from its cluster.') &&
      cluster.node(2).errors.includes('this node was removed from its cluster')
    );
  });
  await waitUntil('n3 is added', async () => {
    return /^ +n3 +learner/m.test(await ask('add', cluster.member(2)));
  });
  await cluster.node(2).ready();
});

test('the folder of a stopped node is no store of its own: what would write into its log is refused', async () => {
  await using folder = await temporaryFolder();
  await using cluster = await Cluster.start({ directory: folder.path });
  await cluster.node(0).stop();
  const data = cluster.folder(0);
  const before = await readdir(data);
  const commands = [
    ['kv'],
    ['gc', '--now'],
    ['backup', '--to', join(folder.path, 'backups')],
    ['serve', '--port', '0'],
  ];
  for (const words of commands) {
    const { exitCode, errors } = await runHoldfast([...words, '--data', data]);
    expect([words[0], exitCode]).toEqual([words[0], 1]);
    expect(errors).toContain(`${data} is a node's of cluster`);
  }
  expect(await readdir(data)).toEqual(before);
  const verified = await runHoldfast(['verify', '--data', data]);
  expect(verified.exitCode).toBe(0);
  await cluster.restart(0);
});

test('a cluster that is asked for with half of its options is refused with what is missing', async () => {
  const { exitCode, errors } = await runHoldfast(['serve', '--node', 'n1', '--cluster', 'n2=h:1']);
  expect(exitCode).toBe(2);
  expect(errors).toContain('--cluster needs --cluster-secret-file');
  expect(errors).toContain('--node n1 is not in --cluster, which names n2.');
});
