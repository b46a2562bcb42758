import { fork } from 'node:child_process';
import type { EtcdPlan } from './etcd-load-process.ts';
import type { LoadPlan } from './generator.ts';
import type { LoadResult } from './load-process.ts';

/** Runs a plan in a process of its own. */
export function runGenerator(plan: LoadPlan): Promise<LoadResult> {
  return runIn(new URL('./generator.ts', import.meta.url), plan);
}

/** The same against etcd. */
export function runEtcdGenerator(plan: EtcdPlan): Promise<LoadResult> {
  return runIn(new URL('./etcd-load-process.ts', import.meta.url), plan);
}

function runIn(script: URL, plan: LoadPlan | EtcdPlan): Promise<LoadResult> {
  const child = fork(script, { stdio: 'inherit' });
  return new Promise((resolve, reject) => {
    child.once('message', (message: { result?: LoadResult; error?: string }) => {
      if (message.result === undefined) {
        reject(new Error(message.error ?? 'the generator said nothing'));
        return;
      }
      const { refusals } = message.result;
      if (refusals > 0) process.stderr.write(`${refusals} requests were repeated after a 503\n`);
      resolve(message.result);
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the generator ended with ${code}`)));
    child.send(plan);
  });
}
