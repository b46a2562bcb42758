import type { HeaderList } from './answer.ts';

/** A bucket as policies name it. */
export function bucketArn(bucket: string): string {
  return `arn:aws:s3:::${bucket}`;
}

export function bucketArnHeader(bucket: string): HeaderList {
  return ['x-amz-bucket-arn', bucketArn(bucket)];
}
