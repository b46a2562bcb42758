const WIDTH = 900;
const HEIGHT = 320;
const LEFT = 60;
const RIGHT = 20;
const TOP = 50;
const BOTTOM = 50;
/** Of one bar, in seconds. */
const SLOT_SECONDS = 0.1;

/** A bar for each tenth of a second, as SVG: how many kills took so long. `seconds` may be empty. */
export function failoverPlot(
  seconds: readonly number[],
  limitSeconds: number,
  failures: number,
): string {
  const last = Math.max(limitSeconds, ...seconds);
  const slots = Math.floor(last / SLOT_SECONDS) + 1;
  const counts = Array.from(
    { length: slots },
    (_, slot) => seconds.filter((one) => Math.floor(one / SLOT_SECONDS) === slot).length,
  );
  const most = Math.max(1, ...counts);
  const x = (value: number): number =>
    LEFT + (value / (slots * SLOT_SECONDS)) * (WIDTH - LEFT - RIGHT);
  const y = (count: number): number => HEIGHT - BOTTOM - (count / most) * (HEIGHT - TOP - BOTTOM);
  const base = y(0);
  const bars = counts.map((count, slot) => {
    const [from, to] = [x(slot * SLOT_SECONDS), x((slot + 1) * SLOT_SECONDS)];
    return `<rect x="${(from + 1).toFixed(1)}" y="${y(count).toFixed(1)}" width="${(to - from - 2).toFixed(1)}" height="${(base - y(count)).toFixed(1)}" fill="#1f6fb4"/>`;
  });
  const half = (at: number): string =>
    `<text x="${x(at / 2).toFixed(1)}" y="${base + 18}" text-anchor="middle">${(at / 2).toFixed(1)} s</text>`;
  const failed = failures === 0 ? '' : `, and ${failures} that failed`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    `<text x="${LEFT}" y="24" font-size="14">From the kill of the leader to the first new write: ${seconds.length} kills${failed}</text>`,
    ...bars,
    `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${base}" y2="${base}" stroke="#333"/>`,
    ...Array.from({ length: Math.floor(slots * SLOT_SECONDS * 2) + 1 }, (_, at) => half(at)),
    `<text x="${LEFT - 8}" y="${y(most) + 4}" text-anchor="end">${most}</text>`,
    `<line x1="${x(limitSeconds).toFixed(1)}" x2="${x(limitSeconds).toFixed(1)}" y1="${TOP - 10}" y2="${base}" stroke="#c33" stroke-dasharray="4 3"/>`,
    `<text x="${(x(limitSeconds) - 6).toFixed(1)}" y="${TOP}" text-anchor="end" fill="#c33">the limit</text>`,
    '</svg>',
    '',
  ].join('\n');
}
