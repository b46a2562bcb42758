/** A segment whose records the log needs no more, or an extent file. */
export interface RewritableSegment {
  readonly segmentId: number;
  /** Of its file. */
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

function shareOf({ liveBytes, sizeBytes }: RewritableSegment): number {
  return liveBytes / sizeBytes;
}

function sumOf(
  segments: readonly RewritableSegment[],
  value: (segment: RewritableSegment) => number,
): number {
  return segments.reduce((sum, each) => sum + value(each), 0);
}
