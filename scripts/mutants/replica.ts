/** Rules of the node of a cluster. */
import { type Hunt, type Mutant, type Trial, test } from './mutant.ts';

const module = 'packages/replica/test/trials.ts';
const hunts: readonly Hunt[] = [
  { module, trial: 'faults', seeds: 12 },
  { module, trial: 'short log', seeds: 8 },
  { module: 'packages/server/test/trials.ts', trial: 'simulation', seeds: 8, more: ['30'] },
];

const full: readonly Hunt[] = [{ module, trial: 'persist', seeds: 2000 }];

export const replicaMutants: readonly Mutant[] = [
  {
    name: 'what promises something leaves before its write is durable',
    rule: 'Write, sync, then send.',
    broken: {
      file: 'packages/replica/src/driver.ts',
      from: 'if (ready.persist !== undefined) this.#persist.submit(ready.persist);',
      to: 'if (ready.persist !== undefined) { for (const message of ready.persist.messages) this.#sender.send(message); this.#persist.submit({ ...ready.persist, messages: [] }); }',
    },
    pinned: story('anAcknowledgementWaitsForTheDisk'),
    hunts: told('anAcknowledgementWaitsForTheDisk'),
  },
  {
    name: 'a write is acknowledged to Raft before it is durable',
    rule: 'Write, sync, then tell Raft.',
    broken: {
      file: 'packages/replica/src/driver.ts',
      from: 'if (ready.persist !== undefined) this.#persist.submit(ready.persist);',
      to: 'if (ready.persist !== undefined) { this.#persist.submit(ready.persist); this.#raft.persisted(ready.persist.ack); }',
    },
    pinned: faults(31),
    hunts,
  },
  {
    name: 'a read does not ask whether this node is up to date',
    rule: 'A read sees all that was committed when it began.',
    broken: {
      file: 'packages/replica/src/driver.ts',
      from: 'return refusal === undefined ? this.#reads.join() : Promise.reject(refusal);',
      to: 'return refusal === undefined ? Promise.resolve() : Promise.reject(refusal);',
    },
    pinned: faults(1),
    hunts,
  },
  {
    name: 'a confirmed read is served before its index is applied',
    rule: 'A read waits until its index is applied.',
    broken: {
      file: 'packages/replica/src/read-rounds.ts',
      from: 'if ((round.index ?? 0) > appliedIndex) return true;',
      to: 'if (appliedIndex < 0) return true;',
    },
    pinned: faults(3),
    hunts,
  },
  {
    name: 'a read joins a question that was asked before it began',
    rule: 'A read joins no question that was asked before it began.',
    broken: {
      file: 'packages/replica/src/read-rounds.ts',
      from: 'if (round === this.#joinable) this.#joinable = undefined;\n      this.#asked',
      to: 'this.#asked',
    },
    pinned: faults(1),
    hunts,
  },
  {
    name: 'two transactions of a slot have one name',
    rule: 'Each transaction of a session has a name of its own, or a retry is answered by another.',
    broken: {
      file: 'packages/replica/src/session-slots.ts',
      from: 'sequence: free.sequence + 1',
      to: 'sequence: free.sequence',
    },
    pinned: faults(1),
    hunts,
  },
  {
    name: 'what is handed to the leader has no name',
    rule: 'What is handed on keeps its name, or a retry has two effects.',
    broken: {
      file: 'packages/replica/src/proposals.ts',
      from: 'const result = raft.forward(command);',
      to: 'const named = 3 + (command.head[2] ?? 0) + (proposal.session.sequence > 127 ? 2 : 1); const result = raft.forward({ ...command, head: Uint8Array.of(1, 0, ...command.head.subarray(named)) });',
    },
    pinned: faults(32),
    hunts,
  },
  {
    name: 'a start applies what is not known to be committed',
    rule: 'A start applies what is known to be committed, and no more.',
    broken: {
      file: 'packages/replica/src/stored-state.ts',
      from: 'logIndex(Math.min(wal.hardState.commitIndex, wal.lastIndex))',
      to: 'logIndex(Math.max(wal.hardState.commitIndex, wal.lastIndex))',
    },
    pinned: story('whatOnlyACutOffLeaderWrote'),
    hunts: told('whatOnlyACutOffLeaderWrote'),
  },
  {
    name: 'a transaction is answered when it is proposed',
    rule: 'Commit, apply, then answer.',
    broken: {
      file: 'packages/replica/src/proposals.ts',
      from: 'if (result.accepted) proposal.term = result.term;',
      to: 'if (result.accepted) proposal.resolve({ committed: true, revision: result.index });',
    },
    pinned: faults(1),
    hunts,
  },
  {
    name: 'term and vote are not saved',
    rule: 'Term and vote are saved before anything is told of them.',
    broken: {
      file: 'packages/replica/src/persist-queue.ts',
      from: 'if (hardState !== undefined && !write.isStateSaved) {',
      to: 'if (hardState === null) {',
    },
    pinned: story('termAndVoteComeFirst'),
    hunts: told('termAndVoteComeFirst'),
  },
  {
    name: 'entries are written before term and vote are',
    rule: 'Term and vote are on the disk before entries of that term.',
    broken: {
      file: 'packages/replica/src/persist-queue.ts',
      from: 'if (!(await this.#hasRoom(() => wal.saveHardState(hardState)))) return false;',
      to: 'void this.#hasRoom(() => wal.saveHardState(hardState));',
    },
    pinned: story('termAndVoteComeFirst'),
    hunts: told('termAndVoteComeFirst'),
  },
  {
    name: 'a request is called durable when the log has taken it',
    rule: 'Durable is what was synced.',
    broken: {
      file: 'packages/replica/src/persist-queue.ts',
      from: 'const outcome = await outcomeOf(durable);',
      to: "await Promise.resolve(); const outcome = 'done' as 'done' | 'cut' | 'noSpace';",
    },
    pinned: story('termAndVoteComeFirst'),
    hunts: told('termAndVoteComeFirst'),
  },
  {
    name: 'what the log took back for want of room is not written again',
    rule: 'What the log took back is not durable.',
    broken: {
      file: 'packages/replica/src/persist-queue.ts',
      from: 'this.#waiting.unshift(...this.#issued.splice(0));',
      to: 'for (const { request } of this.#issued.splice(0)) this.#options.onDurable(request, false);',
    },
    pinned: story('aFullVolumeIsWaitedOut'),
    hunts: told('aFullVolumeIsWaitedOut'),
  },
  {
    name: 'a request is written where the log has taken back the one before it',
    rule: 'What the log took back is written again before anything behind it.',
    broken: {
      file: 'packages/replica/src/persist-queue.ts',
      from: 'return this.#waiting[0] === write && isWhole;',
      to: 'return this.#waiting[0] === write;',
    },
    pinned: test(
      'packages/replica/test/persist-queue.test.ts',
      'what a full log took back is written again, in order, with what came meanwhile',
    ),
    hunts,
  },
  {
    name: 'a request whose end a later one cuts is done with the cut',
    rule: 'Nothing is called durable before what stands before it is.',
    broken: {
      file: 'packages/replica/src/persist-queue.ts',
      from: 'this.#noteCut(truncateFrom);',
      to: '',
    },
    pinned: test(
      'packages/replica/test/persist-queue.test.ts',
      'what is cut of a request does not make the rest of it durable, nor what came behind it',
    ),
    hunts: full,
  },
  {
    name: 'a request is written behind what a full log put back in place of what was to be cut',
    rule: 'What the log took back is written again before anything behind it.',
    broken: {
      file: 'packages/replica/src/persist-queue.ts',
      from: 'return wal.lastIndex === index && wal.termAt(index) === term;',
      to: 'return wal.lastIndex === index;',
    },
    pinned: test(
      'packages/replica/test/persist-queue.test.ts',
      'where a full log took a cut back, nothing is written behind what was to be cut',
    ),
    hunts: full,
  },
  {
    name: 'a checkpoint is not compared',
    rule: 'Nodes that differ stop instead of serving.',
    broken: {
      file: 'packages/replica/src/driver.ts',
      from: 'onCheckpoint: (checkpoint) => this.#raft.verifyCheckpoint(checkpoint),',
      to: 'onCheckpoint: () => undefined,',
    },
    pinned: story('aNodeThatWentApartStops'),
    hunts: told('aNodeThatWentApartStops'),
  },
  {
    name: 'a leader with a slow disk goes on leading',
    rule: 'A leader whose disk does not keep up gives leadership away.',
    broken: {
      file: 'packages/replica/src/driver.ts',
      from: 'if (best !== undefined) this.#raft.transferLeadership(best);',
      to: '',
    },
    pinned: story('aSlowDiskGivesLeadershipAway'),
    hunts: told('aSlowDiskGivesLeadershipAway'),
  },
  {
    name: 'a node whose disk failed goes on',
    rule: 'Nothing goes on after a failed sync.',
    broken: { file: 'packages/replica/src/driver.ts', from: 'this.#raft.stop(cause);', to: '' },
    pinned: story('aBrokenDiskGivesLeadershipAway'),
    hunts: told('aBrokenDiskGivesLeadershipAway'),
  },
  {
    name: 'a vote of another folder than the one that is known counts',
    rule: 'A voter that lost its folder does not vote for what it promised.',
    broken: {
      file: 'packages/replica/src/member-guard.ts',
      from: 'if (counts !== undefined && startsWithBytes(envelope, counts)) return message;',
      to: "if (counts !== undefined && (startsWithBytes(envelope, counts) || type !== 'appendAccepted')) return message;",
    },
    pinned: story('aVoterThatLostItsFolderDoesNotVote'),
    hunts: told('aVoterThatLostItsFolderDoesNotVote'),
  },
  {
    name: 'a node whose folder does not count is not told',
    rule: 'A node that lost its folder stops.',
    broken: {
      file: 'packages/replica/src/member-guard.ts',
      from: 'throw lostFolder(status.nodeId,',
      to: 'void lostFolder(status.nodeId,',
    },
    pinned: story('aVoterThatLostItsFolderDoesNotVote'),
    hunts: told('aVoterThatLostItsFolderDoesNotVote'),
  },
  {
    name: 'who does not lead knows which folder counts only when that is committed',
    rule: 'Which folder is a member counts from its append on.',
    broken: {
      file: 'packages/replica/src/driver.ts',
      from: 'if (ready.persist !== undefined) this.#options.guard.follow(ready.persist);',
      to: "this.#options.guard.follow(this.#status.role === 'leader' && ready.persist !== undefined ? ready.persist : { truncateFrom: undefined, entries: ready.committed });",
    },
    pinned: story('aFolderCountsFromItsAppendOn'),
    hunts: told('aFolderCountsFromItsAppendOn'),
  },
  {
    name: 'a node that was added anew is taken for the one before it',
    rule: 'A node that is added anew has promised nothing.',
    broken: {
      file: 'packages/replica/src/cluster-control.ts',
      from: 'encodeIncarnation(member, incarnation)',
      to: "encodeIncarnation('nobody', incarnation)",
    },
    pinned: story('aVoterThatLostItsFolderDoesNotAcknowledge'),
    hunts: told('aVoterThatLostItsFolderDoesNotAcknowledge'),
  },
  {
    name: 'a folder with nothing in it is taken for the one that it was',
    rule: 'A voter that lost its folder does not vote for what it promised.',
    broken: {
      file: 'packages/replica/src/open-replica.ts',
      from: 'const drawn = { incarnation: drawIncarnation(env),',
      to: "const drawn = { incarnation: drawIncarnation(env).replaceAll(/./g, '1'),",
    },
    pinned: story('aVoterThatLostItsFolderDoesNotVote'),
    hunts: told('aVoterThatLostItsFolderDoesNotVote'),
  },
  {
    name: 'a member says who is none without asking whether it is up to date',
    rule: 'Who may have been taken in again is not told that he is no member.',
    broken: {
      file: 'packages/replica/src/standing.ts',
      from: 'await driver.whenCurrent();',
      to: '',
    },
    pinned: story('whoIsCutOffRemovesNobody'),
    hunts: told('whoIsCutOffRemovesNobody'),
  },
  {
    name: 'a node that was told that it is no member stands for elections',
    rule: 'Who knows that it was removed leaves the others alone.',
    broken: {
      file: 'packages/raft/src/election.ts',
      from: " && toldStanding !== 'none'",
      to: '',
    },
    pinned: story('aRemovedNodeIsQuiet'),
    hunts: told('aRemovedNodeIsQuiet'),
  },
  {
    name: 'a change of members is told before its end is agreed on',
    rule: 'Who is told that a change is done needs the voters before it no more.',
    broken: {
      file: 'packages/replica/src/cluster-control.ts',
      from: "return status.appliedIndex >= lastIndex || status.role !== 'leader';",
      to: 'return true;',
    },
    pinned: test(
      'packages/replica/test/membership.test.ts',
      'when a node is told to be a voter the others need the leader no more that made it one',
    ),
    hunts,
  },
  {
    name: 'a folder that is restored for a node is a store of its own at first',
    rule: 'member.json is durable before node.json.',
    broken: {
      file: 'packages/kv/src/backup/restore-backup.ts',
      from: 'await owner?.write();\n    await writeIdentity(env, request.directory, identity);',
      to: 'await writeIdentity(env, request.directory, identity);\n    await owner?.write();',
    },
    pinned: test(
      'packages/replica/test/restore-member.test.ts',
      'a crash at every operation leaves nothing, and it is done again, or a node that leads with all of it',
    ),
    hunts: [],
  },
  {
    name: 'a name of a backup counts for the folder that had it',
    rule: 'In a new cluster counts the folder that begins it.',
    broken: {
      file: 'packages/replica/src/recover-quorum.ts',
      from: 'counted === undefined || counted.incarnation === incarnation',
      to: 'counted === undefined || counted !== undefined',
    },
    pinned: test(
      'packages/replica/test/restore-member.test.ts',
      'a backup of a node becomes another cluster, whose only voter it is, under whatever name',
    ),
    hunts: [],
  },
];

/** Three nodes with faults of this seed. */
function faults(seed: number): Trial {
  return { module, words: ['faults', String(seed)] };
}

/** First the same story of other clusters: it is cheap, and has what chance seldom brings about. */
function told(name: string): readonly Hunt[] {
  return [{ module, trial: 'told', seeds: 6, more: [name] }, ...hunts];
}

function story(name: string): Trial {
  return { module, words: ['story', name] };
}
