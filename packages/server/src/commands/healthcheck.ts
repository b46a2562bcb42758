import { pageAddress } from '../page-address.ts';
import { askPage, reasonOf } from '../page-answer.ts';
import type { ExitCode, Terminal } from '../terminal.ts';

/** Asks a server whether it is ready. An address without a path means its readiness page. */
export async function healthcheck(
  terminal: Terminal,
  options: { readonly url: string; readonly insecure: boolean },
): Promise<ExitCode> {
  const url = pageAddress(options.url, '/_/health/ready');
  try {
    const answer = await askPage(url, options.insecure);
    const text = answer.text.slice(0, 200).trim();
    if (answer.status === 200) {
      terminal.print(`${text}\n`);
      return 0;
    }
    terminal.printError(`${url.href} answers ${answer.status}: ${text}\n`);
  } catch (error) {
    terminal.printError(`${url.href} does not answer: ${reasonOf(error)}\n`);
  }
  return 1;
}
