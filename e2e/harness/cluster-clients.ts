import { S3Client } from '@aws-sdk/client-s3';
import { CREDENTIALS } from './holdfast-process.ts';

interface Place {
  readonly host: string;
  readonly port: number;
}

/**
 * Only what hangs ends here: who is killed breaks the connection, and who is cut off from the others says so. What is given
 * up early is not undone by it, and may have its effect after that of a later request.
 */
const REQUEST_LIMIT_MS = 120_000;
const AVOIDED_MS = 1_000;
/** Of an SDK's pauses, a minute: a disk that stands still for ten seconds is an election, and more than one. */
const ATTEMPTS = 12;

/** S3 clients of a cluster's nodes. */
export class ClusterClients {
  readonly #places: readonly Place[];
  readonly #clients: S3Client[] = [];

  constructor(places: readonly Place[]) {
    this.#places = places;
  }

  /** Of one node. It repeats what fails, with pauses. */
  of(at: number): S3Client {
    return this.#open(this.#places[at] as Place, ATTEMPTS);
  }

  /** Of one node. It does not repeat what fails. */
  oneAttempt(at: number): S3Client {
    return this.#open(this.#places[at] as Place, 1);
  }

  /**
   * Of all, as one behind a balancer: each attempt goes to the next node, and for a second not to one that refused the
   * connection. The signature is over the name of the first, which no node minds.
   */
  balanced(): S3Client {
    const client = this.#open(this.#places[0] as Place, ATTEMPTS);
    const turns = new Turns(this.#places);
    client.middlewareStack.add(
      (forward) => async (call) => {
        const place = turns.next();
        Object.assign(call.request as object, { hostname: place.host, port: place.port });
        try {
          return await forward(call);
        } catch (error) {
          if (isRefusedConnection(error)) turns.avoid(place);
          throw error;
        }
      },
      // Why here: it runs anew for each attempt, and after the request was signed.
      { name: 'eachAttemptElsewhere', step: 'deserialize', priority: 'low' },
    );
    return client;
  }

  destroy(): void {
    for (const client of this.#clients.splice(0)) client.destroy();
  }

  #open({ host, port }: Place, attempts: number): S3Client {
    const client = new S3Client({
      endpoint: `http://${host}:${port}`,
      region: 'us-east-1',
      credentials: CREDENTIALS,
      forcePathStyle: true,
      maxAttempts: attempts,
      requestHandler: {
        connectionTimeout: REQUEST_LIMIT_MS,
        requestTimeout: REQUEST_LIMIT_MS,
        throwOnRequestTimeout: true,
      },
    });
    this.#clients.push(client);
    return client;
  }
}

/** Whose turn it is. */
class Turns {
  readonly #places: readonly Place[];
  readonly #avoidedUntil = new Map<Place, number>();
  #next = 0;

  constructor(places: readonly Place[]) {
    this.#places = places;
  }

  next(): Place {
    for (let tried = 0; tried < this.#places.length; tried++) {
      const place = this.#places[this.#next++ % this.#places.length] as Place;
      if ((this.#avoidedUntil.get(place) ?? 0) < performance.now()) return place;
    }
    return this.#places[this.#next++ % this.#places.length] as Place;
  }

  avoid(place: Place): void {
    this.#avoidedUntil.set(place, performance.now() + AVOIDED_MS);
  }
}

/** Nobody listens: the request has not been sent. */
export function isRefusedConnection(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED';
}
