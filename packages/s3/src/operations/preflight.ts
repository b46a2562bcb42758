import { S3Error } from '../s3-error.ts';

/** CORS is not configurable yet, so every preflight is refused as AWS refuses it without a configuration. */
export async function preflight(): Promise<void> {
  throw new S3Error('AccessForbidden');
}
