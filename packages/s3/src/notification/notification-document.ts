import type { NotificationRule } from '@holdfast/objects';
import { invalidArgument, S3Error } from '../s3-error.ts';
import { checkChildren, malformed, type XmlElement } from '../xml-reader.ts';
import { element, xmlDocument } from '../xml-writer.ts';

/** Source: Amazon S3 User Guide, "Amazon S3 Event Notifications": at most so many. */
const MAX_RULES = 100;
const MAX_ID_LENGTH = 255;
const ARN = /^arn:holdfast:webhook::([a-z0-9-]{1,64})$/;
/** Why: clients of MinIO read ARNs before they send them, take those of queues only, and take ours for none. */
const MINIO_ARN = /^arn:minio:sqs:[a-z0-9-]{0,64}:([a-z0-9-]{1,64}):webhook$/;

/** The three kinds of configuration that S3 has, and the element that names the target of each. */
const KINDS = {
  TopicConfiguration: 'Topic',
  QueueConfiguration: 'Queue',
  CloudFunctionConfiguration: 'CloudFunction',
} as const;

/** What S3 can tell of. Those that do not happen here are accepted, and never told. */
const EVENTS: ReadonlySet<string> = new Set([
  'ObjectCreated:*',
  'ObjectCreated:Put',
  'ObjectCreated:Post',
  'ObjectCreated:Copy',
  'ObjectCreated:CompleteMultipartUpload',
  'ObjectRemoved:*',
  'ObjectRemoved:Delete',
  'ObjectRemoved:DeleteMarkerCreated',
  'LifecycleExpiration:*',
  'LifecycleExpiration:Delete',
  'LifecycleExpiration:DeleteMarkerCreated',
  'ObjectTagging:*',
  'ObjectTagging:Put',
  'ObjectTagging:Delete',
  'ObjectAcl:Put',
  'LifecycleTransition',
  'IntelligentTiering',
  'ObjectRestore:*',
  'ObjectRestore:Post',
  'ObjectRestore:Completed',
  'ObjectRestore:Delete',
  'ReducedRedundancyLostObject',
  'Replication:*',
  'Replication:OperationFailedReplication',
  'Replication:OperationMissedThreshold',
  'Replication:OperationReplicatedAfterThreshold',
  'Replication:OperationNotTracked',
]);

/** The ARN by which buckets name a target of the operator's. */
export function webhookArn(name: string): string {
  return `arn:holdfast:webhook::${name}`;
}

/**
 * Reads a `<NotificationConfiguration>`. Only targets that the operator has set up can be named.
 *
 * @throws S3Error MalformedXML, InvalidArgument, NotImplemented (EventBridge)
 */
export function readNotificationDocument(
  root: XmlElement,
  newId: () => string,
  isTarget: (name: string) => boolean,
): NotificationRule[] {
  const children = checkChildren(root, {
    TopicConfiguration: 'many',
    QueueConfiguration: 'many',
    CloudFunctionConfiguration: 'many',
    EventBridgeConfiguration: 'optional',
  });
  if (children.all('EventBridgeConfiguration').length > 0) {
    throw new S3Error('NotImplemented', 'There is no EventBridge to send events to.');
  }
  const rules = Object.entries(KINDS).flatMap(([kind, target]) =>
    children.all(kind).map((each) => readRule(each, kind, target, { newId, isTarget })),
  );
  if (rules.length > MAX_RULES) throw malformed();
  if (new Set(rules.map(({ id }) => id)).size < rules.length) {
    throw new S3Error(
      'InvalidArgument',
      'Same ID used for multiple configurations. IDs must be unique',
    );
  }
  return rules;
}

interface RuleContext {
  readonly newId: () => string;
  readonly isTarget: (name: string) => boolean;
}

function readRule(
  source: XmlElement,
  kind: string,
  targetElement: string,
  { newId, isTarget }: RuleContext,
): NotificationRule {
  const children = checkChildren(source, {
    Id: 'optional',
    [targetElement]: 'one',
    Event: 'many',
    Filter: 'optional',
  });
  const id = children.text('Id') ?? newId();
  if (id.length > MAX_ID_LENGTH) throw invalidArgument('The ID is too long', 'Id', id);
  const arn = (children.text(targetElement) ?? '').trim();
  const target = (ARN.exec(arn) ?? MINIO_ARN.exec(arn))?.[1];
  if (target === undefined || !isTarget(target)) {
    const message = 'Unable to validate the following destination configurations';
    throw invalidArgument(message, arn, 'The destination is not one of this server');
  }
  const events = children.all('Event').map(readEvent);
  if (events.length === 0) throw malformed();
  const given = arn === webhookArn(target) ? {} : { arn };
  return { id, kind, target, ...given, events, ...readFilter(children.all('Filter')[0]) };
}

function readEvent({ text }: XmlElement): string {
  const event = text.trim();
  const name = event.startsWith('s3:') ? event.slice(3) : '';
  if (EVENTS.has(name)) return name;
  throw invalidArgument('The event is not supported for notifications', 'Event', event);
}

function readFilter(filter: XmlElement | undefined): { prefix?: string; suffix?: string } {
  const found: { prefix?: string; suffix?: string } = {};
  if (filter === undefined) return found;
  const [key] = checkChildren(filter, { S3Key: 'optional' }).all('S3Key');
  if (key === undefined) return found;
  for (const rule of checkChildren(key, { FilterRule: 'many' }).all('FilterRule')) {
    const children = checkChildren(rule, { Name: 'one', Value: 'one' });
    const given = children.text('Name') ?? '';
    const name = given.trim().toLowerCase();
    if (name !== 'prefix' && name !== 'suffix') {
      throw invalidArgument(
        'filter rule name must be either prefix or suffix',
        'FilterRule.Name',
        given,
      );
    }
    if (found[name] !== undefined) {
      throw invalidArgument(
        `Cannot specify more than one ${name} rule in a filter.`,
        'FilterRule.Name',
        name,
      );
    }
    const value = children.text('Value') ?? '';
    if (value.length > 1024)
      throw invalidArgument(
        'Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation',
        'FilterRule.Value',
        value,
      );
    found[name] = value;
  }
  return found;
}

/** The document that says what `readNotificationDocument` read. */
export function notificationDocument(rules: readonly NotificationRule[]): string {
  return xmlDocument('NotificationConfiguration', rules.map(ruleElement).join(''));
}

function ruleElement(rule: NotificationRule): string {
  const { id, kind = 'TopicConfiguration', target, arn, events, prefix, suffix } = rule;
  const filters = [
    ['Prefix', prefix],
    ['Suffix', suffix],
  ].flatMap(([name = '', value]) =>
    value === undefined
      ? []
      : [`<FilterRule>${element('Name', name)}${element('Value', value)}</FilterRule>`],
  );
  const filter = filters.length === 0 ? '' : `<Filter><S3Key>${filters.join('')}</S3Key></Filter>`;
  const targetElement = Object.entries(KINDS).find(([name]) => name === kind)?.[1] ?? 'Topic';
  const inner =
    element('Id', id) +
    element(targetElement, arn ?? webhookArn(target)) +
    events.map((event) => element('Event', `s3:${event}`)).join('') +
    filter;
  return `<${kind}>${inner}</${kind}>`;
}
