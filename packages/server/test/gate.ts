import { MessageChannel } from 'node:worker_threads';

/** Lets a test stop a task at a point, see that it got there, and let it go on. */
export interface Gate {
  readonly arrival: Promise<void>;
  readonly opened: Promise<void>;
  reached(): void;
  open(): void;
}

export function gate(): Gate {
  const arrival = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  return {
    arrival: arrival.promise,
    opened: opened.promise,
    reached: () => arrival.resolve(),
    open: () => opened.resolve(),
  };
}

/** One turn of the event loop: everything that was ready to run has run. */
export function turn(): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.once('message', () => {
      port1.close();
      resolve();
    });
    port2.postMessage(undefined);
  });
}
