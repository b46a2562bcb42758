import { OperatingError } from '@holdfast/bytes';
import type { Address } from '@holdfast/env';
import { FileError, findFileError } from '@holdfast/env';
import { SettingsError } from './settings-error.ts';
import type { Terminal } from './terminal.ts';

/** How a command ends that could not do its work. */
export interface Failure {
  /** 2: the command was used wrongly. 1: anything else. */
  readonly exitCode: 1 | 2;
  /** For the person at the terminal: what happened, what to do. */
  readonly message: string;
  /** The program itself is wrong: the stack is worth showing. */
  readonly unexpected: boolean;
}

export interface FailureContext {
  readonly directory?: string;
  readonly host?: string;
  readonly port?: number;
  /** Of a cluster: the name of this node. */
  readonly node?: string;
  /** And where it takes the connections of the others. */
  readonly listen?: Address;
}

/** One sentence or two for whatever stopped a command. */
export function describeFailure(error: unknown, context: FailureContext = {}): Failure {
  const isNoBucket = error instanceof OperatingError && error.code === 'InvalidBucketName';
  if (error instanceof SettingsError || isNoBucket) {
    return { exitCode: 2, message: error.message, unexpected: false };
  }
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const message = sentenceFor(cause, context);
    if (message !== undefined) return { exitCode: 1, message, unexpected: false };
  }
  if (error instanceof OperatingError) {
    return { exitCode: 1, message: error.message, unexpected: false };
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { exitCode: 1, message, unexpected: true };
}

/** Tells the person at the terminal; the command's exit code. */
export function reportFailure(
  terminal: Pick<Terminal, 'printError'>,
  error: unknown,
  context?: FailureContext,
): 1 | 2 {
  const failure = describeFailure(error, context);
  terminal.printError(`holdfast: ${failure.message}\n`);
  return failure.exitCode;
}

function sentenceFor(error: Error, context: FailureContext): string | undefined {
  const code = codeOf(error);
  const where = error instanceof FileError ? error.path : (context.directory ?? 'the data folder');
  switch (code) {
    case 'LISTEN_FAILED':
      return listenSentence(error.cause, context.listen, '--cluster or --peer-listen');
    case 'EADDRINUSE':
    case 'EACCES':
      return listenSentence(error, context, '--port');
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return listenSentence(error, context, '--host');
    case 'WAL_LOCKED':
    case 'FILE_LOCKED':
      return `The data folder ${context.directory ?? where} is in use by another Holdfast process. Stop that one, or choose another folder with --data.`;
    case 'FILE_ACCESS_DENIED':
      return `${where} cannot be read or written by this user. Change its permissions, or name another one.`;
    case 'FILE_EXISTS':
      return fileInTheWay(where);
    case 'FILE_NOT_FOUND':
      return isFileInTheWay(error) ? fileInTheWay(where) : undefined;
    case 'NO_SPACE':
    case 'WAL_NO_SPACE':
    case 'KV_NO_SPACE':
      // Of two folders the one whose volume is full.
      return `There is no space left for ${findFileError(error, 'NO_SPACE')?.path ?? where}. Free some, or choose a folder on another volume.`;
    case 'KV_CORRUPTION':
      return context.node === undefined ? undefined : `${error.message} ${replaceNode(context)}`;
    case 'WAL_CORRUPTION':
      if (context.node !== undefined) return `${error.message} ${replaceNode(context)}`;
      return `The log in ${context.directory ?? where} is damaged, and nothing was changed: ${error.message} Restore the folder from a backup, or look at it with "holdfast wal inspect".`;
    case 'WAL_POISONED':
      return `Writing to ${context.directory ?? where} failed: ${rootMessage(error)}. Nothing was acknowledged after it. Check the disk, then start again.`;
    default:
      return undefined;
  }
}

function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** Why nobody can listen there, and the option that names another place. */
function listenSentence(
  cause: unknown,
  { host, port }: Partial<Address> = {},
  option: string,
): string | undefined {
  switch (codeOf(cause)) {
    case 'EADDRINUSE':
      return `Port ${port} on ${host} is in use by another program. Stop it, or choose another port with ${option}.`;
    case 'EACCES':
      return `This user may not listen on ${host ?? ''}:${port ?? ''}. Choose a port above 1023 with ${option}.`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `${host} is not an address of this machine. Choose another one with ${option}.`;
    default:
      return undefined;
  }
}

/** Whether what was asked for is not there since a file is on its path, where a folder should be. */
export function isFileInTheWay({ cause }: Error): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'ENOTDIR';
}

function fileInTheWay(path: string): string {
  return `A file stands where a folder should be, on the path ${path}. Remove it, or name another folder.`;
}

/**
 * What to do with a node that cannot start on its folder. Why not by itself, unless that is asked for: what its log has lost it
 * may have acknowledged, so it must not count until the cluster was told that it is another folder.
 */
function replaceNode({ node, directory = 'the data folder' }: FailureContext): string {
  return (
    `The others have what ${node} has acknowledged. With --recovery repair-from-peers it keeps these files aside and ` +
    `gets all from them, when a leader can be reached. By hand, on the leader: "holdfast cluster remove ${node}". Then move ` +
    `${directory} away, start ${node} on an empty folder with --join, and on the leader: ` +
    `"holdfast cluster add ${node}=HOST:PORT", and when it has everything "holdfast cluster promote ${node}".`
  );
}

/** What the operating system said. */
function rootMessage(error: Error): string {
  let root = error;
  while (root.cause instanceof Error) root = root.cause;
  return root.message.replace(/\.$/, '');
}
