import { utf8 } from '@holdfast/bytes';
import { readIdentity, viewFolder } from '@holdfast/kv';
import type { WalIdentity } from '@holdfast/wal';
import { describe, expect, test } from 'vitest';
import { readClusterNotes } from '../src/cluster-notes.ts';
import { MEMBER_LOG, readStoredState } from '../src/stored-state.ts';
import { MemoryCluster } from './fixtures/memory-cluster.ts';

const NAMES = ['n1', 'n2', 'n3'] as const;
const FOURTH = { host: 'memory', port: 7044 };

function put(key: string, value: string) {
  return { operations: [{ kind: 'put' as const, key: utf8(key), value: utf8(value) }] };
}

async function textAt(cluster: MemoryCluster, name: string, key: string) {
  const entry = await cluster.until(cluster.replica(name).store.get(utf8(key)));
  return entry === undefined ? undefined : Buffer.from(entry.value).toString();
}

/** A client that tries again whatever is refused, on any node that runs; counts what it wrote. */
function keepWriting(cluster: MemoryCluster) {
  const run = { isOver: false, written: 0, unanswered: 0 };
  const done = (async () => {
    while (!run.isOver) {
      await cluster.clock.sleep(10);
      const value = `${run.written + 1}`;
      const startMs = cluster.clock.monotonicMs();
      for (;;) {
        const { running } = cluster;
        const node = running[(run.written + run.unanswered) % running.length];
        const result = await node?.replica?.store
          .transact(put('counter', value))
          .catch(() => undefined);
        if (result !== undefined) break;
        run.unanswered++;
        await cluster.clock.sleep(20);
        if (cluster.clock.monotonicMs() - startMs > 10_000) throw new Error('refused for 10 s');
      }
      run.written++;
    }
  })();
  return {
    run,
    stop: async () => {
      run.isOver = true;
      await cluster.until(done);
    },
  };
}

describe('leadership', () => {
  test('goes to the node that is named, and writes go on there', async () => {
    const cluster = await MemoryCluster.open();
    const leader = await cluster.leader();
    const [target = ''] = NAMES.filter((name) => name !== cluster.nameOf(leader));
    await cluster.until(leader.store.transact(put('key', 'before')));
    await cluster.until(leader.cluster.transferLeader(target));
    await cluster.untilTrue(
      () => cluster.replica(target).cluster.status().role === 'leader',
      'the named leader',
    );
    expect(await textAt(cluster, target, 'key')).toBe('before');
    expect(cluster.node(cluster.nameOf(leader)).leaderships).toEqual([true, false]);
    await cluster.close();
  });

  test('goes to the voter that has most, where none is named, and nowhere where it is already', async () => {
    const cluster = await MemoryCluster.open();
    const leader = await cluster.leader();
    const name = cluster.nameOf(leader);
    const [behind = '', whole = ''] = NAMES.filter((other) => other !== name);
    for (const away of [behind, whole]) {
      const other = away === behind ? whole : behind;
      const now = await cluster.leader();
      await cluster.until(now.cluster.transferLeader(name));
      await cluster.untilTrue(() => leader.cluster.status().role === 'leader', 'the first again');
      cluster.network.partition([away], [name, other]);
      await cluster.until(leader.store.transact(put('key', away)));
      await cluster.until(leader.cluster.transferLeader(name));
      expect(leader.cluster.status().role).toBe('leader');
      await cluster.until(leader.cluster.transferLeader());
      const next = cluster.replica(other).cluster;
      await cluster.untilTrue(() => next.status().role === 'leader', 'who has most');
      cluster.network.heal();
      await cluster.run(500);
    }
    await cluster.close();
  });

  test('is not given to a node that does not answer, and stays', async () => {
    const cluster = await MemoryCluster.open();
    const leader = await cluster.leader();
    const [target = ''] = NAMES.filter((name) => name !== cluster.nameOf(leader));
    await cluster.crash(target);
    await cluster.until(leader.store.transact(put('key', 'value')));
    const refused = cluster.until(leader.cluster.transferLeader(target));
    await expect(refused).rejects.toMatchObject({
      code: 'REPLICA_CHANGE_REFUSED',
      retryable: true,
    });
    expect(leader.cluster.status().role).toBe('leader');
    await cluster.close();
  });

  test('is handed over by a node that is closed, well before an election would begin', async () => {
    const cluster = await MemoryCluster.open();
    const name = cluster.nameOf(await cluster.leader());
    const startMs = cluster.clock.monotonicMs();
    await cluster.stop(name);
    await cluster.leader();
    expect(cluster.clock.monotonicMs() - startMs).toBeLessThan(400);
    await cluster.close();
  });
});

describe('members', () => {
  test('are changed by the leader alone, and only as it can be', async () => {
    const cluster = await MemoryCluster.open();
    const follower = await cluster.follower();
    await expect(follower.cluster.add('n4', FOURTH)).rejects.toMatchObject({
      code: 'REPLICA_NOT_LEADER',
    });
    const leader = await cluster.leader();
    const { cluster: control } = leader;
    const refusal = { code: 'REPLICA_CHANGE_REFUSED' };
    await expect(cluster.until(control.promote('n9'))).rejects.toMatchObject(refusal);
    await expect(cluster.until(control.promote('n2'))).rejects.toThrow('it is a voter already');
    await expect(cluster.until(control.remove('n9'))).rejects.toMatchObject(refusal);
    await expect(cluster.until(control.add('n1', FOURTH))).rejects.toMatchObject(refusal);
    await cluster.close();
  });

  test('are as many as a list of them may name: one more is refused, and all goes on', async () => {
    const cluster = await MemoryCluster.open();
    const { cluster: control, store } = await cluster.leader();
    const add = (number: number): Promise<void> =>
      cluster.until(control.add(`m${number}`, { host: 'memory', port: 8000 + number }));
    for (let number = 1; number <= 61; number++) await add(number);
    await expect(add(62)).rejects.toMatchObject({
      code: 'REPLICA_CHANGE_REFUSED',
      message: expect.stringContaining('at most 64 members'),
    });
    await cluster.until(store.transact(put('key', 'value')));
    await cluster.until(control.remove('m1'));
    await add(62);
    await cluster.close();
  });

  test('that are removed are forgotten with where they were', async () => {
    const cluster = await MemoryCluster.open();
    await cluster.start('n4', { address: FOURTH });
    const { cluster: control } = await cluster.leader();
    await cluster.until(control.add('n4', FOURTH));
    const known = async (): Promise<string[]> => {
      const name = cluster.nameOf(await cluster.leader());
      await cluster.crash(name, true);
      const { env } = cluster.node(name);
      const identity = (await readIdentity(env, '/data')) as WalIdentity;
      const settings = { reserveSizeBytes: 0, wal: { preallocate: false } };
      const folder = await viewFolder({ env, directory: '/data', identity, settings }, MEMBER_LOG);
      const { addresses } = await readStoredState(folder, await readClusterNotes(folder.engine));
      await folder.close();
      await cluster.start(name);
      return [...addresses.keys()];
    };
    expect(await known()).toEqual(['n4']);
    await cluster.until((await cluster.leader()).cluster.remove('n4'));
    expect(await known()).toEqual([]);
    await cluster.close();
  });

  test('one is replaced under load: nothing is refused for long, nothing is lost', async () => {
    const cluster = await MemoryCluster.open();
    const client = keepWriting(cluster);
    await cluster.run(500);
    await cluster.start('n4', { address: FOURTH });
    const control = async () => (await cluster.leader()).cluster;
    await cluster.until((await control()).add('n4', FOURTH));
    await cluster.untilTrue(() => cluster.replica('n4').cluster.status().appliedIndex > 5, 'n4');
    await cluster.until((await control()).promote('n4'));
    const old = cluster.nameOf(await cluster.follower());
    await cluster.until((await control()).remove(old));
    await cluster.crash(old);
    await cluster.run(1500);
    await client.stop();
    expect(await textAt(cluster, 'n4', 'counter')).toBe(`${client.run.written}`);
    const { members } = (await control()).status();
    expect(members.map(({ nodeId }) => nodeId).toSorted()).toEqual(
      ['n1', 'n2', 'n3', 'n4'].filter((name) => name !== old),
    );
    expect(members.find(({ nodeId }) => nodeId === 'n4')?.address).toEqual(FOURTH);
    await cluster.close();
  });

  test('who knows that a node belongs knows where it is, before anything is applied', async () => {
    const cluster = await MemoryCluster.open({ diskMs: 5 });
    await cluster.start('n4', { address: FOURTH });
    const leader = cluster.nameOf(await cluster.leader());
    const behind = NAMES.find((name) => name !== leader) ?? '';
    cluster.network.partition(
      [behind],
      [...NAMES, 'n4'].filter((name) => name !== behind),
    );
    await cluster.until(cluster.replica(leader).cluster.add('n4', FOURTH));
    cluster.network.heal();
    const { cluster: control } = cluster.replica(behind);
    const added = () => control.status().members.find(({ nodeId }) => nodeId === 'n4');
    await cluster.untilTrue(() => added() !== undefined, 'the new member');
    expect(added()?.address).toEqual(FOURTH);
    await cluster.close();
  });

  test('a new voter is reached by nodes that are started anew before they know it to be agreed on', async () => {
    const cluster = await MemoryCluster.open();
    await cluster.start('n4', { address: FOURTH });
    const leader = cluster.nameOf(await cluster.leader());
    const { cluster: control } = cluster.replica(leader);
    await cluster.until(control.add('n4', FOURTH));
    await cluster.untilTrue(() => cluster.replica('n4').cluster.status().appliedIndex > 5, 'n4');
    await cluster.until(control.promote('n4'));
    await cluster.run(500);
    const others = NAMES.filter((name) => name !== leader);
    for (const name of [leader, ...others]) await cluster.crash(name, true);
    // Two of four do not agree on anything: they need the new one.
    for (const name of others) await cluster.start(name);
    const next = await cluster.leader();
    await cluster.until(next.store.transact(put('key', 'with the new one')));
    expect(await textAt(cluster, 'n4', 'key')).toBe('with the new one');
    await cluster.close();
  });

  test('a node that is removed while it runs knows it, and one that waits to be added is not removed', async () => {
    const cluster = await MemoryCluster.open();
    const leader = await cluster.leader();
    const [name = ''] = NAMES.filter((other) => other !== cluster.nameOf(leader));
    const isRemoved = (of: string): boolean => cluster.replica(of).cluster.status().isRemoved;
    expect(NAMES.map(isRemoved)).toEqual([false, false, false]);
    await cluster.until(leader.cluster.remove(name));
    await cluster.untilTrue(() => isRemoved(name), 'it knows that it was removed');
    expect(NAMES.filter(isRemoved)).toEqual([name]);
    await cluster.stop(name);
    await cluster.start(name);
    expect(isRemoved(name)).toBe(true);
    await cluster.start('n4', { address: FOURTH });
    expect(isRemoved('n4')).toBe(false);
    const { cluster: control } = await cluster.leader();
    await cluster.until(control.add(name, cluster.replica(name).address));
    await cluster.untilTrue(() => !isRemoved(name), 'it was added again');
    await cluster.close();
  });

  test('the leader itself is removed, and another one leads', async () => {
    const cluster = await MemoryCluster.open();
    const leader = await cluster.leader();
    const name = cluster.nameOf(leader);
    await cluster.until(leader.store.transact(put('key', 'before')));
    const startMs = cluster.clock.monotonicMs();
    await cluster.until(leader.cluster.remove(name));
    const others = NAMES.filter((other) => other !== name).map((other) => cluster.replica(other));
    const next = () => others.find((other) => other.cluster.status().role === 'leader');
    await cluster.untilTrue(() => next() !== undefined, 'another leader');
    // It was handed over: an election that nobody asked for begins later.
    expect(cluster.clock.monotonicMs() - startMs).toBeLessThan(200);
    const [asked = ''] = NAMES.filter((other) => other !== name);
    expect(await textAt(cluster, asked, 'key')).toBe('before');
    expect(cluster.replica(asked).cluster.status().configuration.voters).not.toContain(name);
    // Nothing is left to be done: the name is barred, and will not be taken in by its own repair.
    await expect(
      cluster.until(next()?.cluster.remove(name) ?? Promise.resolve()),
    ).rejects.toMatchObject({
      code: 'REPLICA_CHANGE_REFUSED',
      message: 'the node is no member',
    });
    await cluster.close();
  });

  test('a change that only a cut-off leader has in its log is not said to be done', async () => {
    const cluster = await MemoryCluster.open();
    const leader = await cluster.leader();
    const name = cluster.nameOf(leader);
    const [other = '', third = ''] = NAMES.filter((each) => each !== name);
    await cluster.until(leader.store.transact(put('key', 'before')));
    cluster.network.partition([name], [other, third]);
    const removal = Promise.allSettled([leader.cluster.remove(third)]);
    const { lastIndex } = leader.cluster.status();
    const next = () =>
      [other, third].find((each) => cluster.replica(each).cluster.status().role === 'leader');
    await cluster.untilTrue(() => next() !== undefined, 'another leader');
    // Behind where the change stood.
    for (let at = 0; at < 5; at++) {
      await cluster.until(cluster.replica(next() ?? '').store.transact(put('key', `${at}`)));
    }
    cluster.network.heal();
    await cluster.untilTrue(
      () => leader.cluster.status().appliedIndex > lastIndex,
      'what the others have agreed on',
    );
    expect(await cluster.until(removal)).toMatchObject([
      { status: 'rejected', reason: { code: 'KV_UNAVAILABLE' } },
    ]);
    const { voters } = cluster.replica(other).cluster.status().configuration;
    expect(voters).toEqual([...NAMES]);
    await cluster.close();
  });

  test('all are restarted one after the other under load: every write is answered in the end', async () => {
    const cluster = await MemoryCluster.open();
    const client = keepWriting(cluster);
    for (const name of NAMES) {
      await cluster.run(300);
      await cluster.stop(name);
      await cluster.run(200);
      await cluster.start(name);
    }
    await cluster.run(500);
    await client.stop();
    for (const name of NAMES) {
      expect(await textAt(cluster, name, 'counter')).toBe(`${client.run.written}`);
    }
    await cluster.close();
  });
});

describe('limits and refusals', () => {
  test('a transaction with a session that is tried again elsewhere has one effect', async () => {
    const cluster = await MemoryCluster.open();
    const name = cluster.nameOf(await cluster.leader());
    const key = utf8('once');
    const transaction = {
      conditions: [{ kind: 'absent' as const, key }],
      operations: [{ kind: 'put' as const, key, value: utf8('value') }],
      session: { clientId: 'gateway', sequence: 1 },
    };
    const lost = cluster.replica(name).store.transact(transaction);
    // Its entry is with the others when the leader dies, and its answer is not.
    await cluster.step();
    await cluster.crash(name);
    await cluster.until(Promise.allSettled([lost]));
    const other = cluster.nameOf(await cluster.leader());
    const again = await cluster.until(cluster.replica(other).store.transact(transaction));
    const third = await cluster.until(cluster.replica(other).store.transact(transaction));
    expect(again.committed).toBe(true);
    expect(third).toEqual(again);
    await cluster.close();
  });

  test('more than may wait is refused at once, and what waits is answered', async () => {
    const settings = { store: { reserveSizeBytes: 0, waitingSizeLimitBytes: 64 * 1024 } };
    const cluster = await MemoryCluster.open({ settings });
    const { store } = await cluster.leader();
    const writes = Array.from({ length: 40 }, (_, at) =>
      store.transact(put(`key ${at}`, 'x'.repeat(4000))),
    );
    const outcomes = await cluster.until(Promise.allSettled(writes));
    const refused = outcomes.filter(({ status }) => status === 'rejected');
    expect(refused.length).toBeGreaterThan(10);
    expect(refused.length).toBeLessThan(30);
    for (const outcome of refused) expect(outcome).toMatchObject({ reason: { code: 'KV_BUSY' } });
    await cluster.close();
  });

  test('bytes that are no message end that connection, are reported, and harm nothing', async () => {
    const cluster = await MemoryCluster.open();
    const stranger = cluster.network.node('n9');
    const { address } = cluster.replica('n1');
    for (const lane of ['control', 'log'] as const) {
      const connection = await cluster.until(stranger.connect({ nodeId: 'n1', address, lane }));
      connection.send(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
      expect(await cluster.until(connection.receive())).toBeUndefined();
    }
    expect(cluster.node('n1').faults).toMatchObject([
      { code: 'REPLICA_MALFORMED_MESSAGE' },
      { code: 'REPLICA_MALFORMED_MESSAGE' },
    ]);
    await cluster.until(cluster.replica('n1').store.transact(put('key', 'value')));
    await cluster.close();
  });

  test('a folder of a store without a cluster is refused, and so is one of another node', async () => {
    const cluster = await MemoryCluster.open();
    await cluster.stop('n1');
    const { openLocalStore } = await import('@holdfast/kv');
    const { files } = cluster.node('n2').env;
    await cluster.stop('n2');
    const env = cluster.node('n3').env;
    await cluster.until(
      (async () => {
        const store = await openLocalStore({
          env,
          directory: '/alone',
          settings: { reserveSizeBytes: 0, wal: { preallocate: false } },
        });
        await store.transact(put('key', 'value'));
        await store.close();
      })(),
    );
    const { openReplica, clusterIdOf } = await import('../src/index.ts');
    const open = (directory: string, name: string) =>
      cluster.until(
        openReplica({
          env: { ...env, files: directory === '/data' ? files.clone() : env.files },
          network: cluster.network.node(name),
          directory,
          clusterId: clusterIdOf(env.digests, 'test', NAMES),
          listen: { host: 'memory', port: 0 },
          members: cluster.members,
          settings: { store: { reserveSizeBytes: 0, wal: { preallocate: false } } },
        }),
      );
    await expect(open('/alone', 'n1')).rejects.toMatchObject({ code: 'KV_INCOMPATIBLE' });
    await expect(open('/data', 'n1')).rejects.toMatchObject({ code: 'KV_INCOMPATIBLE' });
    await cluster.close();
  });
});

test('when a node is told to be a voter the others need the leader no more that made it one', async () => {
  const cluster = new MemoryCluster({ size: 1 });
  await cluster.start('n1');
  const { cluster: control, store } = await cluster.leader();
  await cluster.until(store.transact(put('key', 'before')));
  for (const [at, name] of ['n2', 'n3'].entries()) {
    const address = { host: 'memory', port: 7042 + at };
    await cluster.start(name, { address });
    await cluster.until(control.add(name, address));
    const { lastIndex } = control.status();
    await cluster.untilTrue(
      () => cluster.replica(name).cluster.status().appliedIndex >= lastIndex,
      name,
    );
    await cluster.until(control.promote(name));
  }
  await cluster.crash('n1', true);
  const next = await cluster.leader();
  await cluster.until(next.store.transact(put('key', 'after')));
  expect(await textAt(cluster, cluster.nameOf(next), 'key')).toBe('after');
  await cluster.close();
});
