import type { DestinationStream, Logger } from 'pino';
import { pino } from 'pino';
import type { LogLevel } from './settings.ts';

export interface LoggerOptions {
  readonly level: LogLevel;
  /** Short lines for a person at a terminal; else one JSON object a line. */
  readonly pretty: boolean;
  readonly write: (text: string) => void;
}

/** Fields that are never written, wherever they stand in what is logged. */
const SECRET_FIELDS = ['secretAccessKey', 'authorization', 'Authorization', 'signingKey'];

/** Diagnostics by pino. Fits the `Log` port. */
export function createLogger(options: LoggerOptions): Logger {
  const destination: DestinationStream = {
    write: options.pretty ? (line) => options.write(prettyLine(line)) : options.write,
  };
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.err },
      redact: {
        paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]),
        censor: '(hidden)',
      },
    },
    destination,
  );
}

interface LogLine {
  readonly level: string;
  readonly time: string;
  readonly msg?: string;
  readonly error?: { readonly type?: string; readonly message?: string };
  readonly [field: string]: unknown;
}

/** `12:34:56 warn  message  name=value` */
function prettyLine(json: string): string {
  const { level, time, msg, error, ...fields } = JSON.parse(json) as LogLine;
  const details = Object.entries(fields).map(([name, value]) => `${name}=${fieldText(value)}`);
  if (error) details.push(`(${error.type ?? 'Error'}: ${error.message ?? ''})`);
  const clockTime = time.slice(11, 19);
  return `${[clockTime, level.padEnd(5), msg ?? '', ...details].join(' ')}\n`;
}

function fieldText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
