import type { PlacedChange, QueuedEvent } from '@holdfast/objects';

/**
 * The body of a request to a webhook: events in the format of S3, version 2.1. What the store does not keep with a change
 * (address and id of the request) is empty.
 * Source: Amazon S3 User Guide, "Event message structure".
 */
export function eventMessage(events: readonly QueuedEvent[], region: string): string {
  return JSON.stringify({ Records: events.map((event) => eventRecord(event, region)) });
}

function eventRecord(event: QueuedEvent, region: string): object {
  const { name, bucket, ownerId = '', timeMs } = event;
  const removed = event.etag === '';
  return {
    eventVersion: '2.1',
    eventSource: 'aws:s3',
    awsRegion: region,
    eventTime: new Date(timeMs).toISOString(),
    eventName: name,
    userIdentity: { principalId: ownerId },
    requestParameters: { sourceIPAddress: '' },
    responseElements: { 'x-amz-request-id': '', 'x-amz-id-2': '' },
    s3: {
      s3SchemaVersion: '1.0',
      configurationId: event.configurationId,
      bucket: {
        name: bucket,
        ownerIdentity: { principalId: event.bucketOwnerId },
        arn: `arn:aws:s3:::${bucket}`,
      },
      object: {
        key: encodeKey(event.key),
        ...(removed ? {} : { size: event.sizeBytes, eTag: event.etag }),
        ...(event.versionId === undefined ? {} : { versionId: event.versionId }),
        sequencer: sequencer(event),
      },
    },
  };
}

/** Of two events of a key, the later one has the greater text. The same event always has the same. */
function sequencer({ revision, position }: PlacedChange): string {
  const digits = (value: number, length: number): string =>
    value.toString(16).toUpperCase().padStart(length, '0');
  return digits(revision, 16) + digits(position, 4);
}

/** As in a form, but for the slash. */
function encodeKey(key: string): string {
  return encodeURIComponent(key).replaceAll('%2F', '/').replaceAll('%20', '+');
}
