/**
 * A node that hands a proposal to its leader keeps its body until it is answered, so the leader need not send it back (ADR
 * 0029): the entry goes to that node without it, by the id of the request.
 */
import type { Command, Message, NodeId } from '@holdfast/raft';

/**
 * Added to the id of a request whose sender keeps the body; ids that Raft draws are below it. Why in the id: a leader of an
 * earlier version hands it back as it is, and a node of one never sends such an id.
 */
export const KEEPING: number = 2 ** 52;

/** What a leader knows of who keeps what. */
export class KeptBodies {
  readonly #keepers = new WeakMap<Command, { readonly peer: NodeId; readonly requestId: number }>();

  /** What Raft is to be told of a message that has come. */
  noted(message: Message): Message {
    const { type, from } = message;
    if (type === 'forwardProposal') {
      const { requestId, command } = message;
      if (requestId >= KEEPING && command.body !== undefined) {
        this.#keepers.set(command, { peer: from, requestId });
      }
    }
    // Raft knows its own requests by the ids that it drew.
    if (type === 'forwardReply') return { ...message, requestId: message.requestId % KEEPING };
    return message;
  }

  /**
   * The request by which the peer knows the command's body; undefined where it is to be sent. Given once: what is sent again
   * is sent whole, since the peer may keep it no more.
   */
  take(peer: NodeId, command: Command): number | undefined {
    const keeper = this.#keepers.get(command);
    if (keeper?.peer !== peer) return undefined;
    this.#keepers.delete(command);
    return keeper.requestId;
  }
}
