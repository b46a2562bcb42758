/** Every package as it would be published, away from the workspace: to be checked, and to be measured. */
import { mkdirSync, readdirSync, readFileSync, realpathSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runCommand } from './run-command.ts';

export type PackedManifest = {
  readonly name: string;
  readonly private?: boolean;
  readonly engines?: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
};

const root = join(import.meta.dirname, '..');
const scope = '@holdfast/';

/** The packages of the workspace, laid out in `folder` as an install of them would be. */
export class PublishedPackages {
  /** Names without the scope. */
  readonly names: readonly string[] = readdirSync(join(root, 'packages'));
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Packs what is built (`dist`), and unpacks it below `folder`, which must be there. Throws where a step fails. */
  static async layOut(folder: string): Promise<PublishedPackages> {
    const published = new PublishedPackages(folder);
    const archives = join(folder, 'archives');
    const selection = ['--filter', './packages/*'];
    const pack = ['--yes', 'pnpm@12', ...selection, 'pack', '--pack-destination', archives];
    const packed = await runCommand('npx', pack, root);
    if (packed.code !== 0) throw new Error(`pnpm pack failed:\n${packed.output}`);
    for (const name of published.names) await published.#unpack(archives, name);
    return published;
  }

  /** The `holdfast` command. */
  get launcher(): string {
    return join(this.#directoryOf('server'), 'bin', 'holdfast.mjs');
  }

  /** The text of a package's `package.json`. */
  manifestText(name: string): string {
    return readFileSync(join(this.#directoryOf(name), 'package.json'), 'utf8');
  }

  async #unpack(archives: string, name: string): Promise<void> {
    const archive = readdirSync(archives).find((file) => file.startsWith(`holdfast-${name}-`));
    if (archive === undefined) throw new Error(`packages/${name} was not packed`);
    const directory = this.#directoryOf(name);
    mkdirSync(directory, { recursive: true });
    const unpack = ['-xzf', join(archives, archive), '-C', directory, '--strip-components=1'];
    const unpacked = await runCommand('tar', unpack, root);
    if (unpacked.code !== 0) throw new Error(`${archive} cannot be unpacked: ${unpacked.output}`);
    this.#linkDependencies(name);
  }

  /** Our own packages come from the archives; those of others from where the workspace installed them. */
  #linkDependencies(name: string): void {
    const manifest = JSON.parse(this.manifestText(name)) as PackedManifest;
    for (const dependency of Object.keys(manifest.dependencies ?? {})) {
      if (dependency.startsWith(scope)) continue;
      const target = realpathSync(join(root, 'packages', name, 'node_modules', dependency));
      const link = join(this.#directoryOf(name), 'node_modules', dependency);
      mkdirSync(dirname(link), { recursive: true });
      symlinkSync(target, link, 'junction');
    }
  }

  #directoryOf(name: string): string {
    return join(this.#folder, 'node_modules', '@holdfast', name);
  }
}
