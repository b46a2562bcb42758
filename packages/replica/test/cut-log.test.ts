import { logIndex, term } from '@holdfast/bytes';
import type { Connection } from '@holdfast/env';
import { contentSizeBytes, type Entry, type Message, nodeId } from '@holdfast/raft';
import { expect, test } from 'vitest';
import type { Replica } from '../src/index.ts';
import { encodeMessage } from '../src/message-codec.ts';
import { MemoryCluster } from './fixtures/memory-cluster.ts';

/** An incarnation, and none that is known of the receiver. */
const ENVELOPE = new Uint8Array(16).fill(1, 0, 8);
const NOOP = { type: 'noop' } as const;

/** n1 of three on its disk; a peer says to it what the test wants. What comes within a millisecond comes in one turn. */
class CutLog {
  readonly cluster: MemoryCluster = new MemoryCluster({
    afterTurn: (run) => void setImmediate(run),
  });
  #connection: Connection | undefined;

  /** With entries 2 and 3 of term 2, which are not committed. */
  static async open(): Promise<CutLog> {
    const made = new CutLog();
    const { cluster } = made;
    const n1 = await cluster.start('n1');
    const { address } = n1;
    const peer = cluster.network.node('n3');
    made.#connection = await cluster.until(peer.connect({ nodeId: 'n1', address, lane: 'log' }));
    made.append(2, 1, [2, 3]);
    await cluster.untilTrue(() => n1.cluster.status().persistedIndex === 3, 'entries');
    return made;
  }

  get n1(): Replica {
    return this.cluster.replica('n1');
  }

  heartbeat(ofTerm: number): void {
    this.#say(ofTerm, { type: 'heartbeat', leaderCommit: logIndex(1), readRound: 1 });
  }

  /** The entries of a leader of the term, behind the first of the log. */
  append(ofTerm: number, leaderCommit: number, indexes: readonly number[]): void {
    const entries: Entry[] = indexes.map((index) => ({
      index: logIndex(index),
      term: term(ofTerm),
      sizeBytes: contentSizeBytes(NOOP),
      content: NOOP,
    }));
    const place = { prevLogIndex: logIndex(1), prevLogTerm: term(1) };
    const commit = logIndex(leaderCommit);
    this.#say(ofTerm, { type: 'appendEntries', ...place, entries, leaderCommit: commit });
  }

  #say(ofTerm: number, body: object): void {
    const envelope = { from: nodeId('n3'), to: nodeId('n1'), term: term(ofTerm) };
    const message = { ...envelope, ...body } as Message;
    const { env } = this.cluster.node('n1');
    this.#connection?.send(ENVELOPE, ...encodeMessage(message, env));
  }

  /** Safety: entries 2 and 3 of term 2 were cut by a leader, or may yet be. */
  async mustNotApply(): Promise<void> {
    const { commitIndex, appliedIndex } = (await this.cluster.start('n1')).cluster.status();
    expect({ commitIndex, appliedIndex }).toEqual({ commitIndex: 1, appliedIndex: 1 });
    await this.cluster.close();
  }
}

test('a log is cut in the turn that brings another term too, and what is behind the cut is taken', async () => {
  const log = await CutLog.open();
  const { cluster, n1 } = log;
  log.heartbeat(3);
  await cluster.untilTrue(() => n1.cluster.status().term === 3, 'term');
  await cluster.run(20);
  log.append(3, 4, [2, 3, 4]);
  log.heartbeat(4);
  await cluster.untilTrue(() => n1.cluster.status().term === 4, 'term');
  await cluster.run(20);
  expect(cluster.node('n1').failures).toEqual([]);
  expect(n1.cluster.status()).toMatchObject({ appliedIndex: 4, persistedIndex: 4 });
  await cluster.close();
});

test('a node that is closed before its log is cut takes nothing for committed that was to be cut', async () => {
  const log = await CutLog.open();
  const { cluster, n1 } = log;
  cluster.slowDown('n1', 100);
  log.heartbeat(3);
  await cluster.untilTrue(() => n1.cluster.status().term === 3, 'term');
  // Waits for the term to be written.
  log.append(3, 4, [2, 3, 4]);
  await cluster.untilTrue(() => n1.cluster.status().commitIndex === 4, 'commit');
  const closed = n1.store.close().catch(() => undefined);
  await cluster.run(250);
  await cluster.crash('n1', true);
  await cluster.until(closed);
  await log.mustNotApply();
});
