import { type LogIndex, OperatingError } from '@holdfast/bytes';

/** This replica's state is not what the leader's was after the same entries. It must stop and must not serve. */
export class StateDivergedError extends OperatingError {
  override readonly code = 'RAFT_STATE_DIVERGED';
  readonly index: LogIndex;

  constructor(index: LogIndex, expected: string, found: string) {
    super(
      `the state after entry ${index} hashes to ${found} here and to ${expected} on the leader: this replica is ` +
        'stopped. Remove its data and let it join again as a new node.',
    );
    this.index = index;
  }
}
