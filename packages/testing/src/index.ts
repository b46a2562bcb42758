/**
 * `@holdfast/testing`: a real S3 server inside a test's process. It stands on top of `@holdfast/server`
 * and runs the same engine as `holdfast serve`, in memory or in a folder.
 *
 * @example
 * await using s3 = await startS3({ buckets: ['photos'] });
 * const client = new S3Client(s3.clientConfig);
 * await client.send(new PutObjectCommand({ Bucket: 'photos', Key: 'a', Body: 'hello' }));
 *
 * Source: packages/testing/src
 */

export type { S3ClientConfig, S3Instance, StartS3Options } from './start-s3.ts';
export { startS3 } from './start-s3.ts';
