import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ServerProcess, startServerProcess } from '../load/server-process.ts';

/** Keys that s3rver accepts and no other. */
export const S3RVER_KEYS = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' } as const;

/** s3rver 3.7.1: a peer to measure, never a dependency. */
export interface InstalledS3rver {
  /** On an empty folder and a free port. */
  start(data: string, bucket: string): Promise<ServerProcess>;
}

/** Installs it into `folder`. */
export function installS3rver(folder: string): InstalledS3rver {
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
  execFileSync('npm', ['install', '--silent', '--no-audit', '--no-fund', 's3rver@3.7.1'], {
    cwd: folder,
    stdio: 'ignore',
  });
  return {
    start: (data, bucket) =>
      startServerProcess(
        process.execPath,
        [
          'node_modules/s3rver/bin/s3rver.js',
          '-d',
          data,
          '-p',
          '0',
          '--configure-bucket',
          bucket,
          '-s',
        ],
        /listening on .*:(\d+)/,
        {},
        folder,
      ),
  };
}
