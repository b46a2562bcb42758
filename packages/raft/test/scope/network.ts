import type { Message } from '../../src/index.ts';
import { Interned, keyOf } from './interned.ts';
import { contradiction } from './invariants.ts';

/** Everything that was ever said, as numbers of messages in order. */
interface Said {
  readonly messages: readonly number[];
  /** The same, by the receiver. */
  readonly to: readonly (readonly number[])[];
  /** Two messages that cannot both be so. */
  readonly violation: string | undefined;
  /** The set with one message more. */
  readonly more: Map<number, number>;
}

/** The sets of messages that come up in a search. Each is a number; 0 is the empty one. */
export class Networks {
  readonly #names: readonly string[];
  readonly #messages = new Interned<Message>();
  readonly #sets = new Interned<Said>();

  constructor(names: readonly string[]) {
    this.#names = names;
    this.#sets.idOf('', this.#setOf([], undefined));
  }

  numberOf(message: Message): number {
    return this.#messages.idOf(keyOf(message), message);
  }

  message(number: number): Message {
    return this.#messages.at(number);
  }

  /** Numbers of the messages in a set that are for the n-th node. */
  messagesTo(set: number, node: number): readonly number[] {
    return this.#sets.at(set).to[node] ?? [];
  }

  violationOf(set: number): string | undefined {
    return this.#sets.at(set).violation;
  }

  with(set: number, message: number): number {
    const said = this.#sets.at(set);
    const known = said.more.get(message);
    if (known !== undefined) return known;
    const result = said.messages.includes(message) ? set : this.#add(said, message);
    said.more.set(message, result);
    return result;
  }

  #add(said: Said, message: number): number {
    const messages = [...said.messages, message].sort((a, b) => a - b);
    const others = said.messages.map((number) => this.message(number));
    const violation = said.violation ?? contradiction(others, this.message(message));
    return this.#sets.idOf(messages.join(), this.#setOf(messages, violation));
  }

  #setOf(messages: readonly number[], violation: string | undefined): Said {
    const to = this.#names.map((name) => messages.filter((m) => this.message(m).to === name));
    return { messages, to, violation, more: new Map() };
  }
}
