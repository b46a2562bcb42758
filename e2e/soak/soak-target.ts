/** The real server processes under the soak: one, or a cluster of three. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { S3Client } from '@aws-sdk/client-s3';
import { BucketVersioningStatus, PutBucketVersioningCommand } from '@aws-sdk/client-s3';
import { Cluster } from '../harness/cluster.ts';
import { HoldfastProcess } from '../harness/holdfast-process.ts';
import type { Sample } from './flatness.ts';
import { BUCKETS } from './soak-keys.ts';

const KIB = 1024;
/** Garbage collection runs many times in the life of a process. */
const ARGUMENTS = [
  ...Object.values(BUCKETS).flatMap((bucket) => ['--bucket', bucket]),
  '--collect-every',
  '60',
  '--log-level',
  'warn',
];

interface SoakNode {
  readonly name: string;
  /** Starts a process, and does not wait. */
  readonly spawn: () => HoldfastProcess;
  readonly connect: (process: HoldfastProcess) => S3Client;
  process: HoldfastProcess | undefined;
  client: S3Client | undefined;
  lives: number;
}

export class SoakTarget implements AsyncDisposable {
  readonly #nodes: readonly SoakNode[];
  #turn = 0;

  private constructor(nodes: readonly SoakNode[]) {
    this.#nodes = nodes;
  }

  /** `launcher`: of the published command. Resolves when every node answers. */
  static async start(count: 1 | 3, directory: string, launcher: string): Promise<SoakTarget> {
    const nodes =
      count === 1 ? [lone(directory, launcher)] : await clustered(count, directory, launcher);
    const target = new SoakTarget(nodes);
    await target.startAll();
    await target.client().send(
      new PutBucketVersioningCommand({
        Bucket: BUCKETS.versioned,
        VersioningConfiguration: { Status: BucketVersioningStatus.Enabled },
      }),
    );
    return target;
  }

  get names(): readonly string[] {
    return this.#nodes.map(({ name }) => name);
  }

  /** A client of a node whose process answers: of the next one each time. */
  client(): S3Client {
    for (let tried = 0; tried < this.#nodes.length; tried++) {
      const node = this.#nodes[this.#turn++ % this.#nodes.length];
      if (node?.client !== undefined) return node.client;
    }
    throw new Error('no node answers');
  }

  async kill(name: string): Promise<void> {
    const node = this.#node(name);
    // Its client goes first: a lane that asks for one now gets that of another node, where there is one.
    if (this.#nodes.length > 1) node.client = undefined;
    await node.process?.kill();
    node.process = undefined;
  }

  async restart(name: string): Promise<void> {
    const node = this.#node(name);
    const process = node.spawn();
    node.process = process;
    node.lives += 1;
    await process.ready();
    node.client = node.connect(process);
  }

  async startAll(): Promise<void> {
    await Promise.all(this.names.map((name) => this.restart(name)));
  }

  async killAll(): Promise<void> {
    await Promise.all(this.names.map((name) => this.kill(name)));
  }

  /** Exit codes after SIGTERM. */
  stopAll(): Promise<number[]> {
    return Promise.all(this.#nodes.map(({ process }) => process?.stop() ?? Promise.resolve(-1)));
  }

  /** What each process that runs holds now. */
  samples(atMs: number): Sample[] {
    return this.#nodes.flatMap(({ name, process, lives }) => {
      if (process === undefined || process.hasEnded) return [];
      const of = `/proc/${process.processId}`;
      const residentKib = Number(
        /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`${of}/status`, 'utf8'))?.[1],
      );
      const descriptors = readdirSync(`${of}/fd`).length;
      return [{ atMs, node: name, life: lives, residentBytes: residentKib * KIB, descriptors }];
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.killAll();
  }

  #node(name: string): SoakNode {
    const found = this.#nodes.find((node) => node.name === name);
    if (found === undefined) throw new Error(`there is no node ${name}`);
    return found;
  }
}

function lone(directory: string, launcher: string): SoakNode {
  const options = {
    directory: join(directory, 'n1'),
    launcher,
    arguments: ARGUMENTS,
  };
  return {
    name: 'n1',
    spawn: () => HoldfastProcess.spawn(options),
    connect: (process) => process.client({ requestHandler: { requestTimeout: 10_000 } }),
    process: undefined,
    client: undefined,
    lives: 0,
  };
}

async function clustered(count: number, directory: string, launcher: string): Promise<SoakNode[]> {
  const cluster = await Cluster.prepare({
    directory,
    launcher,
    nodes: count,
    arguments: ARGUMENTS,
  });
  return cluster.all.map((at) => {
    const client = cluster.oneAttempt(at);
    return {
      name: `n${at + 1}`,
      spawn: () => cluster.spawn(at),
      connect: () => client,
      process: undefined,
      client: undefined,
      lives: 0,
    };
  });
}
