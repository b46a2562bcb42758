import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ServerProcess, startServerProcess } from '../load/server-process.ts';

/** Keys that s3rver accepts and no other. */
export const S3RVER_KEYS = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' } as const;

/** Installs s3rver 3.7.1 into `folder` (it is a peer to measure, never a dependency) and starts it. */
export async function startS3rver(folder: string, bucket: string): Promise<ServerProcess> {
  const data = join(folder, 'data');
  mkdirSync(data, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
  execFileSync('npm', ['install', '--silent', '--no-audit', '--no-fund', 's3rver@3.7.1'], {
    cwd: folder,
    stdio: 'ignore',
  });
  return startServerProcess(
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
  );
}
