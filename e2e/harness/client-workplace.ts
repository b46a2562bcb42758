import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { S3Client } from '@aws-sdk/client-s3';
import { expect } from 'vitest';
import type { CommandResult } from './command.ts';
import { runCommand } from './command.ts';
import { HoldfastProcess } from './holdfast-process.ts';
import { sha256 } from './pattern-bytes.ts';
import type { TemporaryFolder } from './temporary-folder.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** A server with a bucket, and a folder in which a client's program works on it. */
export class ClientWorkplace implements AsyncDisposable {
  readonly server: HoldfastProcess;
  readonly #folder: TemporaryFolder;

  private constructor(server: HoldfastProcess, folder: TemporaryFolder) {
    this.server = server;
    this.#folder = folder;
  }

  /** `words` are further arguments of `holdfast serve`. */
  static async open(bucket: string, ...words: string[]): Promise<ClientWorkplace> {
    const folder = await temporaryFolder();
    try {
      const server = await HoldfastProcess.start({
        directory: join(folder.path, 'data'),
        arguments: ['--bucket', bucket, ...words],
      });
      return new ClientWorkplace(server, folder);
    } catch (error) {
      await folder[Symbol.asyncDispose]();
      throw error;
    }
  }

  get client(): S3Client {
    return this.server.client();
  }

  path(...names: string[]): string {
    return join(this.#folder.path, ...names);
  }

  /** Writes a file and the folders above it. */
  async write(path: string, content: string | Uint8Array): Promise<string> {
    const whole = this.path(path);
    await mkdir(dirname(whole), { recursive: true });
    await writeFile(whole, content);
    return whole;
  }

  /** Path below `folder` to SHA-256, of every file. */
  async digests(folder: string): Promise<Record<string, string>> {
    const found: Record<string, string> = {};
    for (const entry of await readdir(this.path(folder), {
      recursive: true,
      withFileTypes: true,
    })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      found[path.slice(this.path(folder).length + 1)] = sha256(await readFile(path));
    }
    return found;
  }

  /** Runs a program in the folder. Nothing of the home folder is read or written. */
  run(
    program: string,
    words: readonly string[],
    environment: Readonly<Record<string, string>> = {},
    input = '',
  ): Promise<CommandResult> {
    return runCommand(program, words, {
      workingDirectory: this.#folder.path,
      input,
      environment: { HOME: this.#folder.path, ...environment },
    });
  }

  /** As `run`; fails with what the program said where it does not succeed. */
  async succeed(...call: Parameters<ClientWorkplace['run']>): Promise<string> {
    const { exitCode, output, errors } = await this.run(...call);
    expect(exitCode, `${call[0]} ${call[1].join(' ')}\n${output}\n${errors}`).toBe(0);
    return output;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}
