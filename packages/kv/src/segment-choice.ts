/** A segment whose records the log needs no more, or an extent file. */
export interface RewritableSegment {
  readonly segmentId: number;
  /** Of its file; of an extent file whose live share counts, of its values alone. */
  readonly sizeBytes: number;
  readonly liveBytes: number;
}

export interface SegmentChoice {
  /** A segment below this share of live bytes is worth rewriting, always. 0 rewrites nothing. */
  readonly liveShare: number;
  /** Live bytes that are copied at once, at most; one segment may have more. */
  readonly limitBytes: number;
  /** Where all files are larger than this for each live byte, segments with more live bytes are rewritten too. */
  readonly spaceRatioLimit?: number | undefined;
}

const SPACE_RATIO_LIMIT = 1.4;
/** Above this share of live bytes rewriting a segment costs more than it gives. */
const LIVE_SHARE_MOST = 0.85;
/** A file of values is small up to this part of what one may have. */
const SMALL_FILE_PART = 8;
/** Small files are put together when there are as many: each costs a descriptor and an entry of the MANIFEST. */
const SMALL_FILES_MOST = 16;

/**
 * Which segments to rewrite next, the emptiest first: they give most space for the least copying. Those that are
 * mostly dead always; others as long as all files together are too large for what they hold.
 */
export function segmentsToRewrite(
  segments: readonly RewritableSegment[],
  { liveShare, limitBytes, spaceRatioLimit = SPACE_RATIO_LIMIT }: SegmentChoice,
): RewritableSegment[] {
  if (liveShare === 0) return [];
  const candidates = segments
    .filter(({ liveBytes }) => liveBytes > 0)
    .sort((left, right) => shareOf(left) - shareOf(right));
  let sizeBytes = sumOf(candidates, (each) => each.sizeBytes);
  const liveBytes = sumOf(candidates, (each) => each.liveBytes);
  const chosen: RewritableSegment[] = [];
  let copiedBytes = 0;
  for (const segment of candidates) {
    const share = shareOf(segment);
    const isSpacious = sizeBytes > liveBytes * spaceRatioLimit && share < LIVE_SHARE_MOST;
    if (share >= liveShare && !isSpacious) break;
    if (chosen.length > 0 && copiedBytes + segment.liveBytes > limitBytes) break;
    chosen.push(segment);
    copiedBytes += segment.liveBytes;
    sizeBytes -= segment.sizeBytes - segment.liveBytes;
  }
  return chosen;
}

/**
 * Small files of values to put together into one of at most `limitBytes` live bytes; none while they are few. What was put
 * together is small again at first: it is copied once more for each fifteen files that come, until it is large.
 */
export function filesToCombine(
  files: readonly RewritableSegment[],
  limitBytes: number,
): RewritableSegment[] {
  const small = files.filter(
    ({ liveBytes, sizeBytes }) => liveBytes > 0 && sizeBytes <= limitBytes / SMALL_FILE_PART,
  );
  if (small.length < SMALL_FILES_MOST) return [];
  let copiedBytes = 0;
  return small.filter(({ liveBytes }) => {
    copiedBytes += liveBytes;
    return copiedBytes <= limitBytes;
  });
}

function shareOf({ liveBytes, sizeBytes }: RewritableSegment): number {
  return liveBytes / sizeBytes;
}

function sumOf(
  segments: readonly RewritableSegment[],
  value: (segment: RewritableSegment) => number,
): number {
  return segments.reduce((sum, each) => sum + value(each), 0);
}
