/**
 * Makes of the server one of the future, for `node --import`: the format constant that RAISED_FORMAT names, as `formatConstants`
 * does, is one more than it is. Only in memory.
 */
import { registerHooks } from 'node:module';

const [file = '', constant = ''] = (process.env['RAISED_FORMAT'] ?? '').split(' ');

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    const { source } = loaded;
    if (!url.endsWith(`/${file}`) || !(source instanceof Uint8Array)) return loaded;
    const declaration = new RegExp(`(const ${constant}(?:: number)? = )(\\d+);`);
    const raise = (_: string, before: string, version: string): string =>
      `${before}${Number(version) + 1};`;
    const text = new TextDecoder().decode(source);
    if (!declaration.test(text)) throw new Error(`there is no ${constant} in ${file}`);
    return { ...loaded, source: text.replace(declaration, raise) };
  },
});
