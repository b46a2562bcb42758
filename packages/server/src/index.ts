/**
 * `@holdfast/server`: the top of the stack. It puts the layers together into a running S3 server, and is the
 * `holdfast` command. `@holdfast/testing` uses `startServer` inside a test's process.
 *
 * @example
 * const env = await createNodeEnv();
 * const server = await startServer({
 *   env,
 *   directory: './holdfast-data',
 *   credentials: { accessKeyId: 'me', secretAccessKey: 'a-long-secret' },
 *   port: 0,
 * });
 * console.log(`http://127.0.0.1:${server.port}`);
 * await server.stop();
 *
 * Source: packages/server/src
 */
export { defaultBucketSettings } from '@holdfast/s3';
export type { Credentials } from './credentials.ts';
export type { Log } from './log.ts';
export { silentLog } from './log.ts';
export type { ServerConfig } from './server-config.ts';
export { OWNER_ID } from './server-config.ts';
export type { RunningServer } from './start-server.ts';
export { startServer } from './start-server.ts';
export type { InitContent } from './users/init-file.ts';
