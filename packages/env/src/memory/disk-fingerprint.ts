import type { DiskContent } from './disk.ts';
import type { FileNode } from './file-node.ts';
import type { DirectoryNode } from './name-tree.ts';
import { PAGE_BYTES, type PageImage } from './page-image.ts';

/** Two words of a hash. */
interface Hash {
  readonly a: number;
  readonly b: number;
}

/**
 * Names disks by what is on them: two disks with the same names, links, sizes, times and bytes have one fingerprint,
 * of 64 bits. A page is hashed once, however many disks share it, and an image once, until it is changed.
 *
 * A disk is the sum of its folders and files, so that the order of names does not count: a folder counts by its path, a file
 * by the sum of its paths and what is in it.
 *
 * Not for adversaries. Why 64 bits are enough: among a million disks two different ones meet once in ten million runs.
 */
export class DiskFingerprints {
  readonly #pages = new WeakMap<Uint8Array, Hash>();
  readonly #names = new Map<string, Hash>();

  of(content: DiskContent): string {
    const sum = new Sum();
    const files = new Map<FileNode, Sum>();
    this.#addDirectory(content, content.root, ROOT, { sum, files });
    for (const [file, paths] of files) sum.add(this.#hashOfFile(content, file, paths));
    return sum.text();
  }

  #addDirectory(
    content: DiskContent,
    directory: DirectoryNode,
    path: Hash,
    found: { readonly sum: Sum; readonly files: Map<FileNode, Sum> },
  ): void {
    for (const [name, node] of content.entriesOf(directory)) {
      const below = joined(path, this.#hashOfName(name));
      if (node.kind === 'directory') {
        found.sum.add(below);
        this.#addDirectory(content, node, below, found);
        continue;
      }
      let paths = found.files.get(node);
      if (paths === undefined) found.files.set(node, (paths = new Sum()));
      paths.add(below);
    }
  }

  #hashOfName(name: string): Hash {
    let hash = this.#names.get(name);
    if (hash === undefined) {
      const mixer = new Mixer();
      mixer.addText(name);
      hash = mixer.hash();
      this.#names.set(name, hash);
    }
    return hash;
  }

  #hashOfFile(content: DiskContent, file: FileNode, paths: Sum): Hash {
    const [a, b] = this.#digestOf(content.imageOf(file));
    const mixer = new Mixer();
    mixer.add(paths.a);
    mixer.add(paths.b);
    mixer.add(file.modifiedMs % 2 ** 32);
    mixer.add(a);
    mixer.add(b);
    return mixer.hash();
  }

  #digestOf(image: PageImage): readonly [number, number] {
    if (image.digest !== undefined) return image.digest;
    const mixer = new Mixer();
    mixer.add(image.sizeBytes);
    for (let page = 0; page * PAGE_BYTES < image.sizeBytes; page++) {
      const { a, b } = this.#hashOf(image.page(page));
      mixer.add(a);
      mixer.add(b);
    }
    const { a, b } = mixer.hash();
    image.digest = [a, b];
    return image.digest;
  }

  #hashOf(page: Uint8Array): Hash {
    let hash = this.#pages.get(page);
    if (hash === undefined) {
      hash = hashPage(page);
      this.#pages.set(page, hash);
    }
    return hash;
  }
}

const ROOT: Hash = { a: 0, b: 0 };

function joined(path: Hash, name: Hash): Hash {
  const mixer = new Mixer();
  mixer.add(path.a);
  mixer.add(path.b);
  mixer.add(name.a);
  mixer.add(name.b);
  return mixer.hash();
}

/** Of hashes, whatever their order. */
class Sum {
  a = 0;
  b = 0;

  add({ a, b }: Hash): void {
    this.a = (this.a + a) >>> 0;
    this.b = (this.b + b) >>> 0;
  }

  /** 16 hexadecimal digits. */
  text(): string {
    return this.a.toString(16).padStart(8, '0') + this.b.toString(16).padStart(8, '0');
  }
}

function hashPage(page: Uint8Array): Hash {
  // Pages of one large write are cut from one copy, which need not begin at a multiple of four.
  const aligned = page.byteOffset % 4 === 0 ? page : page.slice();
  const words = new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4);
  const mixer = new Mixer();
  mixer.addWords(words);
  return mixer.hash();
}

/** Two chains of multiply and rotate that differ in constants and order. */
class Mixer {
  #a = 0x243f6a88;
  #b = 0x85a308d3;

  add(word: number): void {
    const a = Math.imul(this.#a ^ word, 0x9e3779b1);
    this.#a = (a << 13) | (a >>> 19);
    const b = Math.imul((this.#b + word) | 0, 0x85ebca6b);
    this.#b = b ^ (b >>> 15);
  }

  addText(text: string): void {
    this.add(text.length);
    for (let at = 0; at < text.length; at++) this.add(text.charCodeAt(at));
  }

  addWords(words: Uint32Array): void {
    let a = this.#a;
    let b = this.#b;
    for (let at = 0; at < words.length; at++) {
      const word = words[at] as number;
      a = Math.imul(a ^ word, 0x9e3779b1);
      a = (a << 13) | (a >>> 19);
      b = Math.imul((b + word) | 0, 0x85ebca6b);
      b ^= b >>> 15;
    }
    this.#a = a;
    this.#b = b;
  }

  hash(): Hash {
    return { a: scattered(this.#a ^ (this.#b >>> 7)), b: scattered(this.#b ^ (this.#a << 9)) };
  }
}

/** Every bit of the word reaches every bit of the result. */
function scattered(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}
