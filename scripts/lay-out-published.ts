/**
 * Builds and packs the packages, lays them out in a folder as an install would, and prints where the command is.
 *
 *     node scripts/lay-out-published.ts FOLDER
 */
import { join } from 'node:path';
import { PublishedPackages } from './published-packages.ts';
import { runCommand } from './run-command.ts';

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('say which folder');
const root = join(import.meta.dirname, '..');
const compiler = join(root, 'node_modules/typescript/bin/tsc');
const built = await runCommand(process.execPath, [compiler, '-b'], root);
if (built.code !== 0) throw new Error(`the packages cannot be built:\n${built.output}`);
process.stdout.write(`${(await PublishedPackages.layOut(folder)).launcher}\n`);
