import type { Cluster, ClusterStatus } from '@holdfast/replica';
import { z } from 'zod';
import { SettingsError } from '../settings-error.ts';
import { addressText, parseMember } from './cluster-settings.ts';

/** What the owner of a node's data folder may ask of its cluster. */
export type ClusterRequest =
  | { readonly do: 'status' }
  | { readonly do: 'add'; readonly member: string }
  | { readonly do: 'promote'; readonly node: string }
  | { readonly do: 'remove'; readonly node: string }
  | { readonly do: 'transfer-leader'; readonly to?: string | undefined };

/** The cluster as one of its nodes sees it. */
export interface ClusterView {
  readonly clusterId: string;
  readonly nodeId: string;
  readonly role: string;
  readonly term: number;
  readonly leaderId?: string | undefined;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  /** Whether its members are being changed. */
  readonly isChanging: boolean;
  /** The node that was asked was taken out, and knows it. */
  readonly isRemoved: boolean;
  readonly members: readonly MemberView[];
}

export interface MemberView {
  readonly nodeId: string;
  readonly role: 'voter' | 'learner';
  readonly address?: string | undefined;
  readonly isConnected: boolean;
  /** Where the leader was asked: the entries that the member is known to have. */
  readonly matchIndex?: number | undefined;
}

const requestSchema: z.ZodType<ClusterRequest> = z.discriminatedUnion('do', [
  z.strictObject({ do: z.literal('status') }),
  z.strictObject({ do: z.literal('add'), member: z.string() }),
  z.strictObject({ do: z.literal('promote'), node: z.string() }),
  z.strictObject({ do: z.literal('remove'), node: z.string() }),
  z.strictObject({ do: z.literal('transfer-leader'), to: z.string().optional() }),
]);

const viewSchema: z.ZodType<ClusterView> = z.object({
  clusterId: z.string(),
  nodeId: z.string(),
  role: z.string(),
  term: z.number(),
  leaderId: z.string().optional(),
  commitIndex: z.number(),
  appliedIndex: z.number(),
  isChanging: z.boolean(),
  // A node of an older version does not say it.
  isRemoved: z.boolean().default(false),
  members: z.array(
    z.object({
      nodeId: z.string(),
      role: z.enum(['voter', 'learner']),
      address: z.string().optional(),
      isConnected: z.boolean(),
      matchIndex: z.number().optional(),
    }),
  ),
});

/** Throws where it is none. */
export function parseClusterRequest(value: unknown): ClusterRequest {
  return requestSchema.parse(value);
}

/** Throws where it is none. */
export function parseClusterView(value: unknown): ClusterView {
  return viewSchema.parse(value);
}

/** Does what is asked, and tells how the cluster is then. Rejects with the errors of `Cluster`. */
export async function doClusterRequest(
  cluster: Cluster,
  request: ClusterRequest,
): Promise<ClusterView> {
  switch (request.do) {
    case 'status':
      break;
    case 'add': {
      const { nodeId, address } = memberOf(request.member);
      await cluster.add(nodeId, address);
      break;
    }
    case 'promote':
      await cluster.promote(request.node);
      break;
    case 'remove':
      await cluster.remove(request.node);
      break;
    case 'transfer-leader':
      await cluster.transferLeader(request.to);
      break;
  }
  return viewOf(cluster.status());
}

/** Throws a SettingsError for what is not `NAME=HOST:PORT`. */
export function memberOf(text: string): NonNullable<ReturnType<typeof parseMember>> {
  const member = parseMember(text);
  if (member === undefined) throw new SettingsError(`"${text}" is not NAME=HOST:PORT.`);
  return member;
}

function viewOf(status: ClusterStatus): ClusterView {
  const { identity, nodeId, role, term, leaderId, commitIndex, appliedIndex } = status;
  return {
    clusterId: identity.clusterId,
    nodeId,
    role,
    term,
    ...(leaderId !== undefined && { leaderId }),
    commitIndex,
    appliedIndex,
    isChanging: status.configuration.votersOutgoing.length > 0,
    isRemoved: status.isRemoved,
    members: status.members.map(({ address, matchIndex, ...member }) => ({
      ...member,
      ...(address !== undefined && { address: addressText(address) }),
      ...(matchIndex !== undefined && { matchIndex }),
    })),
  };
}
