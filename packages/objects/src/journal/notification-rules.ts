import type { BucketRecord } from '../bucket-record.ts';
import type { ChangeName } from './object-change.ts';

/** The setting of a bucket that says who is told of its changes: a JSON document, a list of rules. */
export const NOTIFICATION_SETTING = 'notification';

/** Who is told of which changes. */
export interface NotificationRule {
  readonly id: string;
  /** As what S3's API shows it. Default `TopicConfiguration`. */
  readonly kind?: string;
  /** Name of a target that the operator has set up. */
  readonly target: string;
  /** What S3's API shows for the target, where that is not its usual ARN. */
  readonly arn?: string;
  /** `ObjectCreated:*`, `ObjectRemoved:Delete`, … */
  readonly events: readonly string[];
  /** The key begins and ends so. */
  readonly prefix?: string;
  readonly suffix?: string;
}

export function readNotificationRules(
  settings: BucketRecord['settings'],
): readonly NotificationRule[] {
  const text = settings.get(NOTIFICATION_SETTING);
  return text === undefined ? [] : (JSON.parse(text) as readonly NotificationRule[]);
}

/** Whether a rule asks for the change of a key. */
export function ruleMatches(rule: NotificationRule, name: ChangeName, key: string): boolean {
  const [kind = ''] = name.split(':');
  return (
    (rule.events.includes(name) || rule.events.includes(`${kind}:*`)) &&
    key.startsWith(rule.prefix ?? '') &&
    key.endsWith(rule.suffix ?? '')
  );
}
