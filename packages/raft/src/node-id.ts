import { invariant } from '@holdfast/bytes';

declare const brand: unique symbol;

/** The name of a node, the same for all its life and never given to another one. */
export type NodeId = string & { readonly [brand]: 'NodeId' };

/** Checks and brands a node's name: 1 to 64 characters. */
export function nodeId(value: string): NodeId {
  invariant(value.length > 0 && value.length <= 64, `not a node id: '${value}'`);
  return value as NodeId;
}
