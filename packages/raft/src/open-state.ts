import { invariant, logIndex } from '@holdfast/bytes';
import type { SnapshotMetadata } from './message.ts';
import { lastIndex, openLog, type RaftLog, termAt } from './raft-log.ts';
import { configurationAt, drawElectionTimeout, idleRole, type RaftState } from './raft-state.ts';
import type { RaftSettings, StoredState } from './settings.ts';

/** A node as it comes up: a follower of nobody, with what its disk holds. */
export function openState(settings: RaftSettings, stored: StoredState): RaftState {
  const log = openLog(stored.base, stored.entries);
  const state: RaftState = {
    settings,
    ...idleRole(),
    electionTimeout: 0,
    term: stored.hardState.term,
    votedFor: stored.hardState.votedFor,
    leaderId: undefined,
    toldStanding: undefined,
    ...appliedPart(stored, log),
    log,
    snapshot: undefined,
    configurations: [
      { index: log.base.index, configuration: stored.configuration },
      ...stored.memberships,
    ],
    ...requestsPart(settings),
    disk: diskPart(stored, log),
    stateHashes: [],
    outbox: [],
    afterPersist: [],
    readResults: [],
    forwardResults: [],
    snapshotOffer: undefined,
    fault: undefined,
  };
  drawElectionTimeout(state);
  if (stored.snapshotIndex !== undefined) state.snapshot = snapshotAt(state, stored.snapshotIndex);
  else invariant(log.base.index === 0, 'entries were released that no snapshot holds');
  return state;
}

/** The metadata of a snapshot of this node's state at an index of its log. */
export function snapshotAt(state: RaftState, index: number): SnapshotMetadata {
  const snapshotTerm = termAt(state.log, index);
  invariant(
    snapshotTerm !== undefined,
    `entry ${index} is not in the log, so no snapshot can end there`,
  );
  invariant(index <= state.appliedIndex, `a snapshot at entry ${index}, which was not applied`);
  return {
    index: logIndex(index),
    term: snapshotTerm,
    configuration: configurationAt(state, logIndex(index)),
  };
}

type AppliedPart = Pick<
  RaftState,
  'commitIndex' | 'handedIndex' | 'appliedIndex' | 'applyingBytes'
>;

function appliedPart({ appliedIndex, hardState }: StoredState, log: RaftLog): AppliedPart {
  const end = lastIndex(log);
  invariant(appliedIndex <= end, `entry ${appliedIndex} was applied and is not in the log`);
  invariant(appliedIndex >= log.base.index, 'entries were released that were not applied');
  const commitIndex = logIndex(Math.min(Math.max(hardState.commitIndex, appliedIndex), end));
  return { commitIndex, handedIndex: appliedIndex, appliedIndex, applyingBytes: 0 };
}

function requestsPart(settings: RaftSettings): Pick<RaftState, 'reads' | 'forwards'> {
  return {
    reads: {
      round: 0,
      waiting: [],
      confirming: [],
      forwarded: new Map(),
      nextId: drawId(settings),
    },
    forwards: { waiting: new Map(), nextId: drawId(settings) },
  };
}

function diskPart({ hardState }: StoredState, log: RaftLog): RaftState['disk'] {
  return {
    savedIndex: lastIndex(log),
    persistedIndex: lastIndex(log),
    truncateFrom: undefined,
    savedHardState: hardState,
    persistedTerm: hardState.term,
    nextWrite: 1,
    inFlight: [],
    snapshot: undefined,
    selfVoteTerm: undefined,
  };
}

/**
 * Where ids of requests begin. Safety: a late answer to a request from before a restart must not be taken for the
 * answer to a new one, so ids begin at a place that no earlier start has used.
 */
function drawId({ random }: RaftSettings): number {
  return Math.floor(random() * 2 ** 26) * 2 ** 26 + Math.floor(random() * 2 ** 26);
}
