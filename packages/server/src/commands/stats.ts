import { openOverlayStore } from '@holdfast/kv';
import { Metrics } from '../metrics.ts';
import { MetricsText } from '../metrics-text.ts';
import { pageAddress } from '../page-address.ts';
import { askPage, reasonOf } from '../page-answer.ts';
import { statsReport } from '../stats-report.ts';
import { sampleStorage } from '../storage-sample.ts';
import type { ExitCode, Terminal } from '../terminal.ts';
import { inspecting } from './inspection.ts';

export interface StatsOptions {
  readonly url: string;
  readonly insecure: boolean;
  readonly data?: string;
}

/** Prints the numbers of a running server, or of the store in a folder, for people. */
export function stats(terminal: Terminal, options: StatsOptions): Promise<ExitCode> {
  return options.data === undefined
    ? statsOfServer(terminal, options)
    : statsOfFolder(terminal, options.data);
}

async function statsOfServer(
  terminal: Terminal,
  options: Pick<StatsOptions, 'url' | 'insecure'>,
): Promise<ExitCode> {
  const url = pageAddress(options.url, '/_/metrics');
  try {
    const { status, text } = await askPage(url, options.insecure);
    const metrics = new MetricsText(status === 200 ? text : '');
    if (!metrics.isEmpty) {
      terminal.print(statsReport(metrics));
      return 0;
    }
    terminal.printError(`holdfast: ${url.href} answers ${status}, and has no metrics.\n`);
  } catch (error) {
    terminal.printError(`holdfast: ${url.href} does not answer: ${reasonOf(error)}\n`);
  }
  return 1;
}

/** Opens the folder on a view that changes nothing and takes no lock. */
function statsOfFolder(terminal: Terminal, data: string): Promise<ExitCode> {
  return inspecting(terminal, data, { json: false }, async ({ env, path, refuse }) => {
    if ((await env.files.stat(`${path}/wal`)) === undefined) {
      return refuse(`There is no store in ${path}.`);
    }
    const { store, close } = await openOverlayStore(env, path);
    const metrics = new Metrics({ sampleStorage: () => sampleStorage(store, env.clock.nowMs()) });
    try {
      terminal.print(statsReport(new MetricsText(await metrics.render())));
    } finally {
      metrics.close();
      await close();
    }
    return 0;
  });
}
