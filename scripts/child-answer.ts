import type { ChildProcess } from 'node:child_process';

/** The next message of a process. Rejects where it ends without one. */
export function answerOf(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null): void => {
      reject(new Error(`${child.spawnargs.join(' ')} ended with ${code}`));
    };
    child.once('exit', ended);
    child.once('message', (answer) => {
      child.off('exit', ended);
      resolve(answer);
    });
  });
}
