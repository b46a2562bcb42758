const HOOK = new URL('./newer-formats.ts', import.meta.url);

/** What a command is started by so that it is one of the future: the constant that `format` names (`formatConstants`) is one more. */
export function inFuture(format: string): string[] {
  return ['env', `NODE_OPTIONS=--import=${HOOK.href}`, `RAISED_FORMAT=${format}`];
}
