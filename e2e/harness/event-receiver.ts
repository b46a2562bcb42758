import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An event as a webhook gets it, so far as tests look at it. */
export interface ReceivedEvent {
  readonly eventName: string;
  readonly s3: {
    readonly configurationId: string;
    readonly object: { readonly key: string; readonly sequencer: string };
  };
}

/** A webhook's target. It answers `status`, and keeps the events of requests that it answered 2xx. */
export class EventReceiver implements AsyncDisposable {
  readonly #server = createServer();
  readonly events: ReceivedEvent[] = [];
  /** Requests so far, refused ones too. */
  requests = 0;
  status = 200;

  static async open(port = 0): Promise<EventReceiver> {
    const receiver = new EventReceiver();
    receiver.#server.on('request', (request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (piece: string) => {
        body += piece;
      });
      request.on('end', () => {
        receiver.requests++;
        const { Records } = JSON.parse(body) as { Records: ReceivedEvent[] };
        if (receiver.status < 300) receiver.events.push(...Records);
        response.writeHead(receiver.status, { Location: receiver.url }).end();
      });
    });
    await once(receiver.#server.listen(port, '127.0.0.1'), 'listening');
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hook`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
