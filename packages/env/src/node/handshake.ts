import type { Socket } from 'node:net';
import { ByteReader, ByteWriter, equalBytes } from '@holdfast/bytes';
import type { Lane } from '../network.ts';
import { LANES, NetworkError } from '../network.ts';

/** "HFP1": Holdfast peer, version 1. */
const MAGIC = new Uint8Array([0x48, 0x46, 0x50, 0x31]);
const LENGTH_BYTES = 2;
/** Of the fields: four short names. What claims more is refused unread. */
const MAX_FIELDS_BYTES = 512;
const WELCOME_BYTES: number = MAGIC.length + 1;

/** What the side that connects says first. */
export interface Hello {
  readonly clusterId: string;
  readonly from: string;
  readonly to: string;
  readonly lane: Lane;
}

/** What the other side answers, one byte: 0 is the welcome. */
const REFUSALS = [
  '',
  'it belongs to another cluster',
  'it is another node',
  'it does not accept this name',
];
export type HelloRefusal = 1 | 2 | 3;

export function writeHello(socket: Socket, hello: Hello): void {
  const fields = new ByteWriter(128).text(hello.clusterId).text(hello.from).text(hello.to);
  const bytes = fields.u8(LANES.indexOf(hello.lane)).finish();
  socket.write(new ByteWriter(128).bytes(MAGIC).u16(bytes.length).bytes(bytes).finish());
}

/** Reads exactly the hello and leaves what follows in the socket. HANDSHAKE_REFUSED where it is none. */
export async function readHello(socket: Socket): Promise<Hello> {
  const head = await readExactly(socket, MAGIC.length + LENGTH_BYTES);
  const reader = new ByteReader(head);
  if (!equalBytes(reader.bytes(MAGIC.length), MAGIC))
    throw refused('it does not speak our protocol');
  const length = reader.u16();
  if (length > MAX_FIELDS_BYTES) throw refused('its hello is too long');
  const fields = new ByteReader(await readExactly(socket, length));
  try {
    const [clusterId, from, to] = [fields.text(), fields.text(), fields.text()];
    const lane = LANES[fields.u8()];
    if (lane === undefined || fields.remaining > 0) throw refused('its hello is malformed');
    return { clusterId, from, to, lane };
  } catch (cause) {
    if (cause instanceof NetworkError) throw cause;
    throw refused('its hello is malformed');
  }
}

export function writeWelcome(socket: Socket, refusal: HelloRefusal | 0): void {
  socket.write(new ByteWriter(WELCOME_BYTES).bytes(MAGIC).u8(refusal).finish());
}

/** Resolves when the peer takes us in; HANDSHAKE_REFUSED with its reason where it does not. */
export async function readWelcome(socket: Socket): Promise<void> {
  const reader = new ByteReader(await readExactly(socket, WELCOME_BYTES));
  if (!equalBytes(reader.bytes(MAGIC.length), MAGIC))
    throw refused('it does not speak our protocol');
  const answer = reader.u8();
  if (answer !== 0) throw refused(REFUSALS[answer] ?? 'it does not say why');
}

function refused(reason: string): NetworkError {
  return new NetworkError('HANDSHAKE_REFUSED', `no handshake with the peer: ${reason}`);
}

/** The socket is paused before and after; at most `length` bytes and its own buffer are held. */
function readExactly(socket: Socket, length: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      socket.off('readable', look).off('end', ended).off('close', ended).off('error', ended);
    };
    const look = (): void => {
      const bytes = length === 0 ? new Uint8Array(0) : (socket.read(length) as Uint8Array | null);
      // At the end of the stream `read` gives what there is.
      if (bytes === null || bytes.length < length) return;
      stop();
      resolve(bytes);
    };
    const ended = (): void => {
      stop();
      reject(refused('it ended the connection'));
    };
    socket.on('readable', look).on('end', ended).on('close', ended).on('error', ended);
    look();
  });
}
