import { openOverlayStore } from '@holdfast/kv';
import { Metrics } from '../metrics.ts';
import { MetricsText } from '../metrics-text.ts';
import { pageAddress } from '../page-address.ts';
import { statsReport } from '../stats-report.ts';
import { sampleStorage } from '../storage-sample.ts';
import type { ExitCode, Terminal } from '../terminal.ts';
import { inspecting } from './inspection.ts';

const LIMIT_MS = 5_000;

/** Prints the numbers of a running server, or of the store in a folder, for people. */
export function stats(
  terminal: Terminal,
  options: { readonly url: string; readonly data?: string },
): Promise<ExitCode> {
  return options.data === undefined
    ? statsOfServer(terminal, options.url)
    : statsOfFolder(terminal, options.data);
}

async function statsOfServer(terminal: Terminal, address: string): Promise<ExitCode> {
  const url = pageAddress(address, '/_/metrics');
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(LIMIT_MS) });
    const metrics = new MetricsText(response.ok ? await response.text() : '');
    if (!metrics.isEmpty) {
      terminal.print(statsReport(metrics));
      return 0;
    }
    terminal.printError(`holdfast: ${url.href} answers ${response.status}, and has no metrics.\n`);
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const reason = cause instanceof Error ? cause.message : String(cause);
    terminal.printError(`holdfast: ${url.href} does not answer: ${reason}\n`);
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
