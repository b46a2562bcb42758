import { type LookupAddress, lookup as systemLookUp } from 'node:dns';
import type { LookupFunction } from 'node:net';
import type { Clock } from '../clock.ts';

/** So long the system is waited for, where what it said before is known. */
const PATIENCE_MS = 500;
/** The most that a name is left alone after the system found nothing. */
const REST_LIMIT_MS = 10_000;

type Addresses = readonly LookupAddress[];

/** All addresses of a host that the system knows now. Rejects where it knows none. */
export type LookUp = (host: string) => Promise<Addresses>;

interface Name {
  /** What the system found last. */
  known: Addresses | undefined;
  /** What it is being asked for. */
  asked: Promise<Addresses> | undefined;
  /** Why it found nothing, and until when it is not asked again. */
  failed: { readonly error: unknown; readonly untilMs: number } | undefined;
}

/**
 * The addresses of the hosts of peers.
 *
 * Why not a look-up of the system for each dial: it holds a thread of Node's pool, of which two may do that, for as long as
 * 20 s where nobody answers for a name, as that of a container which is gone. The dials of one dead peer then leave
 * none to find the living by. So the system is asked for a name once at a time, and not at once again where it found nothing; and
 * where it does not answer soon, what it said before is tried.
 */
export class PeerNames {
  readonly #clock: Clock;
  readonly #lookUp: LookUp;
  readonly #names = new Map<string, Name>();

  constructor(clock: Clock, lookUp: LookUp = lookUpNow) {
    this.#clock = clock;
    this.#lookUp = lookUp;
  }

  /** As `net.connect` wants it. */
  readonly lookup: LookupFunction = (host, { all }, callback) => {
    this.addressesOf(host).then(
      (addresses) => {
        if (all === true) callback(null, [...addresses]);
        else callback(null, addresses[0]?.address ?? '', addresses[0]?.family);
      },
      (error: NodeJS.ErrnoException) => callback(error, []),
    );
  };

  /** At least one. */
  async addressesOf(host: string): Promise<Addresses> {
    const name = this.#nameOf(host);
    const asked = this.#ask(host, name);
    const { known } = name;
    if (known === undefined) return await asked;
    const late = Promise.withResolvers<Addresses>();
    const patience = this.#clock.setTimer(PATIENCE_MS, () => late.resolve(known));
    try {
      return await Promise.race([asked.catch(() => known), late.promise]);
    } finally {
      patience.cancel();
    }
  }

  #nameOf(host: string): Name {
    const there = this.#names.get(host);
    if (there !== undefined) return there;
    const name: Name = { known: undefined, asked: undefined, failed: undefined };
    this.#names.set(host, name);
    return name;
  }

  /** What the system finds, or has just found. */
  async #ask(host: string, name: Name): Promise<Addresses> {
    const startMs = this.#clock.monotonicMs();
    if (name.asked === undefined && name.failed !== undefined && startMs < name.failed.untilMs) {
      throw name.failed.error;
    }
    name.asked ??= this.#lookUp(host)
      .then((addresses) => {
        name.failed = undefined;
        name.known = addresses;
        return addresses;
      })
      .catch((error: unknown) => {
        const nowMs = this.#clock.monotonicMs();
        name.failed = { error, untilMs: nowMs + Math.min(nowMs - startMs, REST_LIMIT_MS) };
        throw error;
      })
      .finally(() => {
        name.asked = undefined;
      });
    return await name.asked;
  }
}

function lookUpNow(host: string): Promise<Addresses> {
  return new Promise((resolve, reject) => {
    systemLookUp(host, { all: true }, (error, addresses) => {
      if (error === null) resolve(addresses);
      else reject(error);
    });
  });
}
