import { pageAddress } from '../page-address.ts';
import type { ExitCode, Terminal } from '../terminal.ts';

const LIMIT_MS = 5_000;

/** Asks a server whether it is ready. An address without a path means its readiness page. */
export async function healthcheck(
  terminal: Terminal,
  options: { readonly url: string },
): Promise<ExitCode> {
  const url = pageAddress(options.url, '/_/health/ready');
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(LIMIT_MS) });
    const text = (await response.text()).slice(0, 200).trim();
    if (response.ok) {
      terminal.print(`${text}\n`);
      return 0;
    }
    terminal.printError(`${url.href} answers ${response.status}: ${text}\n`);
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const reason = cause instanceof Error ? cause.message : String(cause);
    terminal.printError(`${url.href} does not answer: ${reason}\n`);
  }
  return 1;
}
