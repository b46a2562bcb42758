/** What happens to a cluster, and how often. */
import type { RaftOptions } from '../../src/index.ts';

export interface Climate {
  /** How often each thing happens, in per cent. */
  readonly mix: Readonly<Partial<Record<Happening, number>>>;
  /** Beside what is usual. */
  readonly options?: Partial<RaftOptions>;
  /** What comes is gathered, and a node is asked for what follows from it when it has its turn; otherwise after each event. */
  readonly hasTurns?: boolean;
  /** Whether members are changed, leadership is handed over and logs are released where one leads. */
  readonly seeksLeaders?: boolean;
  /** How many voters a change of members aims at. */
  readonly voters: (random: () => number) => number;
}

export type Happening =
  | 'deliver'
  | 'sync'
  | 'tick'
  | 'propose'
  | 'read'
  | 'crash'
  | 'members'
  | 'transfer'
  | 'compact'
  | 'restore'
  | 'sleep'
  | 'cut'
  | 'turn'
  | 'torn'
  | 'close'
  | 'estrange'
  | 'heal';

const ONE_ENTRY: Partial<RaftOptions> = { maxMessageBytes: 1 };

export const USUAL: Climate = {
  mix: {
    deliver: 50,
    sync: 22,
    tick: 10,
    propose: 7,
    read: 3,
    crash: 0.6,
    members: 3.4,
    transfer: 1,
    compact: 0.6,
    restore: 1,
    sleep: 0.6,
    cut: 0.8,
  },
  voters: () => 3,
};

/** Leaders come and go, and messages carry one entry: what was proposed in a term is often finished in a later one. */
export const STORM: Climate = {
  mix: {
    deliver: 38,
    sync: 22,
    tick: 18,
    propose: 6,
    read: 3,
    crash: 3,
    members: 0,
    transfer: 1,
    compact: 0,
    restore: 0,
    sleep: 4,
    cut: 5,
  },
  options: ONE_ENTRY,
  voters: () => 3,
};

/** Members come and go, while leaders do; where they are so few, each of them counts. */
export const CHURN: Climate = {
  mix: {
    deliver: 50,
    sync: 24,
    tick: 7,
    propose: 2,
    read: 0.5,
    crash: 1,
    members: 14,
    transfer: 0.5,
    compact: 0.1,
    restore: 0.4,
    sleep: 0.1,
    cut: 0.4,
  },
  voters: (random) => 1 + Math.floor(random() * 2),
};

/**
 * Nodes take much at once, as a process that stood still does; they stop in order, or in the middle of a write; and
 * leadership is handed over, members come and go and logs are released while links are cut one way.
 */
export const UPHEAVAL: Climate = {
  mix: {
    deliver: 38,
    turn: 25,
    sync: 18,
    tick: 9,
    propose: 2.5,
    read: 0.5,
    crash: 0.05,
    torn: 0.25,
    close: 0.1,
    members: 0.4,
    transfer: 2,
    compact: 0.4,
    restore: 1.5,
    sleep: 0.3,
    estrange: 0.8,
    heal: 1.2,
  },
  hasTurns: true,
  seeksLeaders: true,
  voters: () => 3,
};
