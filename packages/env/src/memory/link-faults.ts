import type { SeededRandom } from './seeded-random.ts';

const TWO_TO_32 = 0x1_0000_0000;

/** What happens to frames from one node to another. Probabilities in [0, 1]. */
export interface LinkFaults {
  /** How long a frame is on its way: evenly between the two, in milliseconds. Default [0, 0]. */
  readonly delayMs?: readonly [number, number];
  /** Of a frame to be lost. Default 0. */
  readonly loss?: number;
  /** Of a frame to come twice. Default 0. */
  readonly duplication?: number;
  /** Of a frame to be held back while later ones pass it, up to `reorderMs` longer. Default 0. */
  readonly reordering?: number;
  /** Default 50. */
  readonly reorderMs?: number;
}

export const NO_FAULTS: Required<LinkFaults> = {
  delayMs: [0, 0],
  loss: 0,
  duplication: 0,
  reordering: 0,
  reorderMs: 50,
};

/** Frames since the beginning. */
export interface NetworkStats {
  readonly sent: number;
  /** Of all frames that were sent. */
  readonly sentBytes: number;
  /** Copies included. */
  readonly delivered: number;
  /** By chance, by a cut, by a stopped node, or because their connection had ended. */
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
}

/** A copy of a frame: how long it is on its way, and whether it may pass others. */
export interface Passage {
  readonly delayMs: number;
  readonly isReordered: boolean;
}

/** The dice of one frame: none where it is lost, two where it is doubled. */
export function rollPassages(faults: Required<LinkFaults>, random: SeededRandom): Passage[] {
  if (happens(faults.loss, random)) return [];
  const isDoubled = happens(faults.duplication, random);
  const first = rollPassage(faults, random);
  return isDoubled ? [first, rollPassage(faults, random)] : [first];
}

function rollPassage(faults: Required<LinkFaults>, random: SeededRandom): Passage {
  const isReordered = happens(faults.reordering, random);
  const extraMs = isReordered ? fraction(random) * faults.reorderMs : 0;
  return { delayMs: rollDelayMs(faults, random) + extraMs, isReordered };
}

export function rollDelayMs({ delayMs }: Required<LinkFaults>, random: SeededRandom): number {
  const [least, most] = delayMs;
  return most > least ? least + fraction(random) * (most - least) : least;
}

/** Draws only where something may happen, so that faults which are off disturb no numbers. */
function happens(probability: number, random: SeededRandom): boolean {
  return probability > 0 && fraction(random) < probability;
}

function fraction(random: SeededRandom): number {
  return random.below(TWO_TO_32) / TWO_TO_32;
}
