import type { MetricsText } from './metrics-text.ts';

/** A page of metrics as a report for people. Lines of what the page does not have are left out. */
export function statsReport(metrics: MetricsText): string {
  const lines = [
    ...requestLines(metrics),
    ...clusterLines(metrics),
    ...logLines(metrics),
    ...indexLines(metrics),
    ...careLines(metrics),
    ...recoveryLines(metrics),
  ];
  return `${lines.join('\n')}\n`;
}

function requestLines(metrics: MetricsText): string[] {
  const uptime = metrics.get('holdfast_uptime_seconds');
  if (uptime === undefined) return [];
  const answered = metrics.sum('holdfast_requests_total');
  const inFlight = metrics.get('holdfast_requests_in_flight') ?? 0;
  const errors = metrics.labelled('holdfast_errors_total');
  const slow = metrics.labelled('holdfast_slow_operations_total');
  return [
    line('up', duration(uptime)),
    line('requests', `${answered} answered (${rate(answered, uptime)}), ${inFlight} in flight`),
    ...operationLines(metrics, uptime),
    line('errors', listOf(errors, 'code')),
    line('slow', listOf(slow, 'operation')),
    line(
      'bodies',
      `${bytes(metrics.get('holdfast_received_bytes_total'))} received, ${bytes(metrics.get('holdfast_sent_bytes_total'))} sent`,
    ),
  ];
}

function clusterLines(metrics: MetricsText): string[] {
  const number = (name: string): number => metrics.get(`holdfast_cluster_${name}`) ?? 0;
  if (metrics.get('holdfast_cluster_term') === undefined) return [];
  const role = number('is_leader') === 1 ? 'leads' : 'follows';
  const said = number('has_leader') === 1 ? `this node ${role}` : 'no leader is known';
  const members = number('voters') + number('learners');
  const lag =
    number('is_leader') === 1
      ? [line('  behind', `up to ${number('lag_entries')} entries, the member that lacks most`)]
      : [];
  return [
    line(
      'cluster',
      `${said}, term ${number('term')}, ${number('connected_members')} of ${members} members connected`,
    ),
    line(
      '  log',
      `${number('applied_index')} applied, ${number('commit_index')} agreed on, ${number('last_index')} written`,
    ),
    ...lag,
  ];
}

function operationLines(metrics: MetricsText, uptime: number): string[] {
  const name = 'holdfast_request_duration_seconds';
  return metrics.labelled(`${name}_count`).map(({ labels, value }) => {
    const operation = labels['operation'] ?? '';
    const average = metrics.average(name, `{operation="${operation}"}`);
    const p99 = metrics.p99(name, ['operation', operation]);
    return line(
      `  ${operation}`,
      `${value} (${rate(value, uptime)}), average ${duration(average)}, p99 up to ${duration(p99)}`,
    );
  });
}

function logLines(metrics: MetricsText): string[] {
  const latency = (name: string): string =>
    `average ${duration(metrics.average(name))}, p99 up to ${duration(metrics.p99(name))}`;
  const records = metrics.get('holdfast_wal_appended_records_total') ?? 0;
  return [
    line(
      'log',
      `${bytes(metrics.get('holdfast_wal_size_bytes'))} in ${metrics.get('holdfast_kv_segments')} segments, ` +
        `the oldest ${duration(metrics.get('holdfast_wal_oldest_segment_age_seconds'))} old`,
    ),
    line('  appends', `${records} records, ${latency('holdfast_wal_append_latency_seconds')}`),
    line('  syncs', latency('holdfast_wal_sync_latency_seconds')),
    line('  batches', `average ${bytes(metrics.average('holdfast_wal_batch_bytes'))}`),
  ];
}

function indexLines(metrics: MetricsText): string[] {
  const live = metrics.get('holdfast_kv_live_ratio') ?? 1;
  const flushes = metrics.get('holdfast_kv_flushes_total') ?? 0;
  return [
    line(
      'index',
      `${bytes(metrics.get('holdfast_kv_table_bytes'))} in ${metrics.get('holdfast_kv_tables')} tables, ` +
        `${bytes(metrics.get('holdfast_kv_memtable_bytes'))} in memory, revision ${metrics.get('holdfast_kv_revision')}`,
    ),
    line(
      '  snapshots',
      `${flushes} flushes, the last took ${duration(metrics.get('holdfast_kv_last_flush_seconds'))}; ` +
        `${bytes(metrics.get('holdfast_kv_unflushed_log_bytes'))} of log to replay`,
    ),
    line(
      'space',
      `${(live * 100).toFixed(1)} % live (${bytes(metrics.get('holdfast_kv_live_bytes'))}), ` +
        `compaction debt ${bytes(metrics.get('holdfast_kv_compaction_debt_bytes'))}`,
    ),
  ];
}

function careLines(metrics: MetricsText): string[] {
  const reads = metrics.get('holdfast_kv_validation_errors_total') ?? 0;
  const scrubs = metrics.sum('holdfast_scrub_validation_errors_total');
  const lines = [line('damage', `${reads} found by reads, ${scrubs} by the scrubber`)];
  const passes = metrics.get('holdfast_scrub_passes_total');
  if (passes !== undefined) {
    const read = bytes(metrics.get('holdfast_scrub_bytes_total'));
    lines.push(line('scrubber', `${passes} passes, ${read} read`));
  }
  const age = metrics.get('holdfast_backup_age_seconds');
  if (age !== undefined) {
    lines.push(line('backup', age === Infinity ? 'none known' : `${duration(age)} old`));
  }
  return lines;
}

function recoveryLines(metrics: MetricsText): string[] {
  const steps = metrics.labelled('holdfast_recovery_seconds');
  const total = steps.reduce((sum, { value }) => sum + value, 0);
  const each = steps.map(({ labels, value }) => `${labels['step']} ${duration(value)}`).join(', ');
  return [
    line('last start', `took ${duration(total)}: ${each}`),
    line(
      '  it did',
      `read ${bytes(metrics.get('holdfast_recovery_scanned_bytes'))} of log, ` +
        `replayed ${metrics.get('holdfast_recovery_replayed_records')} records, ` +
        `cut ${bytes(metrics.get('holdfast_recovery_cut_bytes'))}, ` +
        `healed ${metrics.get('holdfast_recovery_healed_files')} and removed ${metrics.get('holdfast_recovery_removed_files')} files`,
    ),
  ];
}

function line(title: string, text: string): string {
  return `${title.padEnd(12)} ${text}`;
}

function listOf(
  values: readonly { readonly labels: Readonly<Record<string, string>>; readonly value: number }[],
  label: string,
): string {
  if (values.length === 0) return 'none';
  return values.map(({ labels, value }) => `${labels[label]} ${value}`).join(', ');
}

function rate(count: number, seconds: number): string {
  return `${(count / Math.max(seconds, 1)).toFixed(1)}/s`;
}

function bytes(size: number | undefined): string {
  if (size === undefined) return '-';
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let [value, unit] = [size, 0];
  while (value >= 1024 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

function duration(seconds: number | undefined): string {
  if (seconds === undefined) return '-';
  if (seconds === Infinity) return 'more than the longest range';
  if (seconds < 1) return `${Number((seconds * 1000).toPrecision(3))} ms`;
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}
