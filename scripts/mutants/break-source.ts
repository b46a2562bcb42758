/**
 * For `node --import`: one source file is changed in memory, in the one place that HOLDFAST_MUTANT names, in this process and
 * all that it starts. The files themselves are never touched.
 */
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { applyEdit, type Edit } from './mutant.ts';

const edit = JSON.parse(process.env['HOLDFAST_MUTANT'] ?? 'null') as Edit | null;
const broken =
  edit === null ? undefined : pathToFileURL(join(import.meta.dirname, '../..', edit.file)).href;

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    if (edit === null || url.replace(/\?.*$/, '') !== broken) return loaded;
    const { source } = loaded;
    const text = source instanceof Uint8Array ? new TextDecoder().decode(source) : source;
    if (typeof text !== 'string') throw new Error(`${edit.file} has no text`);
    return { ...loaded, source: applyEdit(edit, text) };
  },
});
