/** What statfs says of a volume, as far as it is asked here. */
export interface VolumeStatistics {
  /** Blocks that whoever is no administrator may still fill. */
  readonly bavail: number;
  /** Bytes that the file system likes to be given at once. */
  readonly bsize: number;
  /** Bytes of a block that is counted. Left out by early versions of Node 24. */
  readonly frsize?: number;
}

/**
 * Bytes that are free. Why not blocks of `bsize`: file systems of a FUSE, a folder that a virtual machine has from its host
 * among them, may have it as 1 MiB and count blocks of 4 KiB.
 */
export function freeBytesOf({ bavail, bsize, frsize = bsize }: VolumeStatistics): number {
  return bavail * frsize;
}
