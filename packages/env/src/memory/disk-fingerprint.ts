import type { Disk } from './disk.ts';
import type { FileNode } from './file-node.ts';
import type { DirectoryNode } from './name-tree.ts';
import { PAGE_BYTES } from './page-image.ts';

/** Two words of a hash. */
interface Hash {
  readonly a: number;
  readonly b: number;
}

/**
 * Names disks by what is on them: two disks with the same names, links, sizes, times and bytes have one fingerprint,
 * of 64 bits. A page is hashed once, however many disks share it.
 *
 * Not for adversaries. Why 64 bits are enough: among a million disks two different ones meet once in ten million runs.
 */
export class DiskFingerprints {
  readonly #pages = new WeakMap<Uint8Array, Hash>();

  /** Of what a reader sees now. */
  of(disk: Disk): string {
    const mixer = new Mixer();
    const files = new Map<FileNode, number>();
    this.#addDirectory(mixer, disk.root, files);
    return mixer.finish();
  }

  #addDirectory(mixer: Mixer, directory: DirectoryNode, files: Map<FileNode, number>): void {
    for (const name of [...directory.live.keys()].sort()) {
      const node = directory.live.get(name);
      mixer.addText(name);
      if (node?.kind === 'directory') {
        mixer.add(1);
        this.#addDirectory(mixer, node, files);
        mixer.add(2);
      } else if (node !== undefined) this.#addFile(mixer, node, files);
    }
  }

  #addFile(mixer: Mixer, file: FileNode, files: Map<FileNode, number>): void {
    const known = files.get(file);
    mixer.add(3 + (known ?? files.size));
    if (known !== undefined) return;
    files.set(file, files.size);
    const { sizeBytes } = file.live;
    mixer.add(sizeBytes);
    mixer.add(file.modifiedMs % 2 ** 32);
    for (let page = 0; page * PAGE_BYTES < sizeBytes; page++) {
      const { a, b } = this.#hashOf(file.live.page(page));
      mixer.add(a);
      mixer.add(b);
    }
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

  /** 16 hexadecimal digits. */
  finish(): string {
    const { a, b } = this.hash();
    return a.toString(16).padStart(8, '0') + b.toString(16).padStart(8, '0');
  }
}

/** Every bit of the word reaches every bit of the result. */
function scattered(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}
