/** The samples of a soak as a picture: memory above, descriptors below, a mark for each kill. */
import type { Measure, Sample } from './flatness.ts';
import type { PlannedKill } from './kill-plan.ts';

const WIDTH = 900;
const LEFT = 70;
const RIGHT = 20;
const PANEL_HEIGHT = 190;
const TOP = 50;
const GAP = 50;
const MINUTE_MS = 60_000;
const MIB = 1024 * 1024;
const COLOURS = ['#1f6fb4', '#d95f02', '#2a9d5c'];
const STEPS = 4;

interface Panel {
  readonly title: string;
  readonly measure: Measure;
  readonly unit: number;
  readonly top: number;
}

const PANELS: readonly Panel[] = [
  { title: 'resident memory, MiB', measure: 'residentBytes', unit: MIB, top: TOP },
  { title: 'open descriptors', measure: 'descriptors', unit: 1, top: TOP + PANEL_HEIGHT + GAP },
];

export interface SoakPicture {
  readonly title: string;
  readonly lengthMs: number;
  readonly samples: readonly Sample[];
  readonly kills: readonly PlannedKill[];
}

/** An SVG document. */
export function plotSoak(picture: SoakPicture): string {
  const height = TOP + 2 * PANEL_HEIGHT + GAP + 45;
  const nodes = [...new Set(picture.samples.map(({ node }) => node))].toSorted();
  const legend = nodes.map((node, at) => {
    const x = WIDTH - RIGHT - 60 * (nodes.length - at);
    return `<text x="${x}" y="40" fill="${COLOURS[at]}">${node}</text>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${height}" fill="white"/>`,
    `<text x="${LEFT}" y="20" font-size="14">${picture.title}</text>`,
    ...legend,
    ...PANELS.flatMap((panel) => drawPanel(panel, picture, nodes)),
    ...minuteLabels(picture.lengthMs, height - 22),
    `<text x="${WIDTH / 2}" y="${height - 5}" text-anchor="middle">minutes; a grey line is a kill -9</text>`,
    '</svg>',
    '',
  ].join('\n');
}

function drawPanel(panel: Panel, picture: SoakPicture, nodes: readonly string[]): string[] {
  const { title, measure, unit, top } = panel;
  const { samples, lengthMs, kills } = picture;
  const most = roundUp(Math.max(...samples.map((sample) => sample[measure] / unit)));
  const x = (atMs: number): string => xOf(atMs, lengthMs);
  const y = (value: number): string => (top + PANEL_HEIGHT * (1 - value / most)).toFixed(1);
  const bottom = top + PANEL_HEIGHT;
  const grid = Array.from({ length: STEPS + 1 }, (_, step) => {
    const value = (most * step) / STEPS;
    return (
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(value)}" y2="${y(value)}" stroke="#ddd"/>` +
      `<text x="${LEFT - 8}" y="${y(value)}" dy="4" text-anchor="end">${value}</text>`
    );
  });
  const marks = kills.map(
    ({ atMs }) =>
      `<line x1="${x(atMs)}" x2="${x(atMs)}" y1="${top}" y2="${bottom}" stroke="#bbb" stroke-dasharray="2 3"/>`,
  );
  const lines = nodes.flatMap((node, at) => {
    const lives = Map.groupBy(
      samples.filter((sample) => sample.node === node),
      ({ life }) => life,
    );
    return [...lives.values()].map((life) => {
      const points = life.map((sample) => `${x(sample.atMs)},${y(sample[measure] / unit)}`);
      return `<polyline points="${points.join(' ')}" fill="none" stroke="${COLOURS[at]}" stroke-width="1.3"/>`;
    });
  });
  return [`<text x="${LEFT}" y="${top - 8}">${title}</text>`, ...grid, ...marks, ...lines];
}

function minuteLabels(lengthMs: number, y: number): string[] {
  const everyMs = Math.max(1, Math.round(lengthMs / MINUTE_MS / 12)) * MINUTE_MS;
  return Array.from({ length: Math.floor(lengthMs / everyMs) + 1 }, (_, at) => {
    const atMs = at * everyMs;
    return `<text x="${xOf(atMs, lengthMs)}" y="${y}" text-anchor="middle">${atMs / MINUTE_MS}</text>`;
  });
}

function xOf(atMs: number, lengthMs: number): string {
  return (LEFT + ((WIDTH - LEFT - RIGHT) * atMs) / lengthMs).toFixed(1);
}

/** To a number whose quarters are easy to read. */
function roundUp(value: number): number {
  const step = value > 100 ? 40 : 20;
  return Math.max(step, Math.ceil(value / step) * step);
}
