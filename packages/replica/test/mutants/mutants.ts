/** Rules of the driver, each broken in one place of the source; runs with faults must find every one out. */
export interface Mutant {
  readonly name: string;
  readonly file: string;
  /** Must stand in the file exactly once. */
  readonly from: string;
  readonly to: string;
  /** Runs with faults that are tried, in order, or a story that must go otherwise. */
  readonly seeds: readonly number[] | keyof typeof import('../fixtures/stories.ts').stories;
}

const SEEDS: readonly number[] = Array.from({ length: 6 }, (_, at) => at + 1);

export const mutants: readonly Mutant[] = [
  {
    name: 'what promises something leaves before its write is durable',
    file: 'driver.ts',
    from: 'if (ready.persist !== undefined) this.#persist.submit(ready.persist);',
    to: 'if (ready.persist !== undefined) { for (const message of ready.persist.messages) this.#sender.send(message); this.#persist.submit({ ...ready.persist, messages: [] }); }',
    seeds: 'anAcknowledgementWaitsForTheDisk',
  },
  {
    name: 'a write is acknowledged to Raft before it is durable',
    file: 'driver.ts',
    from: 'if (ready.persist !== undefined) this.#persist.submit(ready.persist);',
    to: 'if (ready.persist !== undefined) { this.#persist.submit(ready.persist); this.#raft.persisted(ready.persist.ack); }',
    seeds: [29, ...SEEDS],
  },
  {
    name: 'a read does not ask whether this node is up to date',
    file: 'driver.ts',
    from: 'return refusal === undefined ? this.#reads.join() : Promise.reject(refusal);',
    to: 'return refusal === undefined ? Promise.resolve() : Promise.reject(refusal);',
    seeds: SEEDS,
  },
  {
    name: 'a confirmed read is served before its index is applied',
    file: 'read-rounds.ts',
    from: 'if ((round.index ?? 0) > appliedIndex) return true;',
    to: 'if (appliedIndex < 0) return true;',
    seeds: SEEDS,
  },
  {
    name: 'a read joins a question that was asked before it began',
    file: 'read-rounds.ts',
    from: 'if (round === this.#joinable) this.#joinable = undefined;\n      this.#asked',
    to: 'this.#asked',
    seeds: SEEDS,
  },
  {
    name: 'two transactions of a slot have one name',
    file: 'session-slots.ts',
    from: 'sequence: free.sequence + 1',
    to: 'sequence: free.sequence',
    seeds: SEEDS,
  },
  {
    name: 'what is handed to the leader has no name',
    file: 'proposals.ts',
    from: 'const result = raft.forward(command);',
    to: 'const named = 3 + (command.head[2] ?? 0) + (proposal.session.sequence > 127 ? 2 : 1); const result = raft.forward({ ...command, head: Uint8Array.of(1, 0, ...command.head.subarray(named)) });',
    seeds: SEEDS,
  },
  {
    name: 'a start applies what is not known to be committed',
    file: 'stored-state.ts',
    from: 'logIndex(Math.min(wal.hardState.commitIndex, wal.lastIndex))',
    to: 'logIndex(Math.max(wal.hardState.commitIndex, wal.lastIndex))',
    seeds: 'whatOnlyACutOffLeaderWrote',
  },
  {
    name: 'a transaction is answered when it is proposed',
    file: 'proposals.ts',
    from: 'if (result.accepted) proposal.term = result.term;',
    to: 'if (result.accepted) proposal.resolve({ committed: true, revision: result.index });',
    seeds: SEEDS,
  },
  {
    name: 'term and vote are not saved',
    file: 'persist-queue.ts',
    from: 'if (hardState !== undefined && !write.isStateSaved) {',
    to: 'if (hardState === null) {',
    seeds: 'termAndVoteComeFirst',
  },
  {
    name: 'entries are written before term and vote are',
    file: 'persist-queue.ts',
    from: 'if (!(await this.#hasRoom(() => wal.saveHardState(hardState)))) return false;',
    to: 'void this.#hasRoom(() => wal.saveHardState(hardState));',
    seeds: 'termAndVoteComeFirst',
  },
  {
    name: 'a request is called durable when the log has taken it',
    file: 'persist-queue.ts',
    from: 'const outcome = await outcomeOf(first.durable);',
    to: "await Promise.resolve(); const outcome = 'done' as 'done' | 'cut' | 'noSpace';",
    seeds: 'termAndVoteComeFirst',
  },
  {
    name: 'what the log took back for want of room is not written again',
    file: 'persist-queue.ts',
    from: 'this.#waiting.unshift(...this.#issued.splice(0));',
    to: 'for (const { request } of this.#issued.splice(0)) this.#options.onDurable(request, false);',
    seeds: 'aFullVolumeIsWaitedOut',
  },
  {
    name: 'a checkpoint is not compared',
    file: 'driver.ts',
    from: 'onCheckpoint: (checkpoint) => this.#raft.verifyCheckpoint(checkpoint),',
    to: 'onCheckpoint: () => undefined,',
    seeds: 'aNodeThatWentApartStops',
  },
  {
    name: 'a vote of another folder than the one that is known counts',
    file: 'member-guard.ts',
    from: 'if (known === sender) return message;',
    to: "if (known === sender || type !== 'appendAccepted') return message;",
    seeds: 'aVoterThatLostItsFolderDoesNotVote',
  },
  {
    name: 'a node whose folder does not count is not told',
    file: 'member-guard.ts',
    from: 'throw lostFolder(status.nodeId,',
    to: 'void lostFolder(status.nodeId,',
    seeds: 'aVoterThatLostItsFolderDoesNotVote',
  },
  {
    name: 'which folder counts is known only when it is applied and the log is opened again',
    file: 'driver.ts',
    from: 'if (ready.persist !== undefined) this.#options.guard.follow(ready.persist);',
    to: '',
    seeds: 'aVoterThatLostItsFolderDoesNotVote',
  },
  {
    name: 'a node that was added anew is taken for the one before it',
    file: 'cluster-control.ts',
    from: 'encodeIncarnation(name, undefined)',
    to: "encodeIncarnation('nobody', undefined)",
    seeds: 'aVoterThatLostItsFolderDoesNotAcknowledge',
  },
  {
    name: 'a folder with nothing in it is taken for the one that it was',
    file: 'open-replica.ts',
    from: 'const drawn = { incarnation: drawIncarnation(env),',
    to: "const drawn = { incarnation: drawIncarnation(env).replaceAll(/./g, '1'),",
    seeds: 'aVoterThatLostItsFolderDoesNotVote',
  },
  {
    name: 'a leader with a slow disk goes on leading',
    file: 'driver.ts',
    from: 'if (best !== undefined) this.#raft.transferLeadership(best);',
    to: '',
    seeds: 'aSlowDiskGivesLeadershipAway',
  },
  {
    name: 'a node whose disk failed goes on',
    file: 'driver.ts',
    from: 'this.#raft.stop(cause);',
    to: '',
    seeds: 'aBrokenDiskGivesLeadershipAway',
  },
];
